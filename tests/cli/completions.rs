//! `factfs completions`.

use super::Sandbox;

#[test]
fn every_shell_gets_its_own() {
    let sandbox = Sandbox::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let text = sandbox.ok(&["completions", shell]);
        assert!(text.contains("transact") && text.contains("tx-id"), "{shell}");
    }
}
