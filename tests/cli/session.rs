//! Sessions that documents show, run as they are written there: each command prints what stands
//! below it.

use super::Sandbox;
use std::path::Path;
use std::process::{Command, Stdio};

/// A command and what it prints.
pub struct Step {
    pub command: String,
    output: String,
}

/// The blocks ```` ```console ```` of a document in Markdown.
pub fn of_markdown(text: &str) -> Vec<Step> {
    of_blocks(text.lines().map(str::to_owned), "```console", "```")
}

/// The examples (`.EX`) of a manual page.
pub fn of_manual(text: &str) -> Vec<Step> {
    let plain = |line: &str| {
        let line = line.strip_prefix("\\&").unwrap_or(line);
        line.replace("\\(aq", "'").replace("\\-", "-").replace("\\e", "\\")
    };
    of_blocks(text.lines().map(plain), ".EX", ".EE")
}

/// A command begins with `$ ` and goes on until its quotes are closed and no `\` is at its end.
fn of_blocks(lines: impl Iterator<Item = String>, begin: &str, end: &str) -> Vec<Step> {
    let (mut steps, mut inside) = (Vec::<Step>::new(), false);
    for line in lines {
        if line == begin || line == end {
            inside = line == begin;
        } else if let Some(command) = line.strip_prefix("$ ").filter(|_| inside) {
            steps.push(Step { command: command.to_owned(), output: String::new() });
        } else if let Some(step) = steps.last_mut().filter(|_| inside) {
            if is_open(&step.command) {
                step.command.push('\n');
                step.command.push_str(&line);
            } else {
                step.output.push_str(&line);
                step.output.push('\n');
            }
        }
    }
    steps
}

fn is_open(command: &str) -> bool {
    command.ends_with('\\') || command.matches('\'').count() % 2 == 1
}

/// Runs the steps in `sandbox`, whose databases are those of the demo already, as of the day of the
/// documents.
pub fn run(steps: &[Step], sandbox: &Sandbox) {
    let program = Path::new(env!("CARGO_BIN_EXE_factfs")).parent().unwrap().display();
    let path = format!("{program}:{}", std::env::var("PATH").unwrap());
    for Step { command, output } in
        steps.iter().filter(|step| !step.command.starts_with("factfs demo ."))
    {
        let mut shell = Command::new("sh");
        shell.args(["-c", command]).current_dir(sandbox.directory.path()).env("PATH", &path);
        let ran = shell.stdin(Stdio::null()).output().unwrap();
        // A command that is refused prints on the other stream, and fails; so does one that finds
        // what it looked for, but there it prints here.
        let is_refused = !ran.status.success() && ran.stdout.is_empty();
        let printed = if is_refused { &ran.stderr } else { &ran.stdout };
        let (printed, said) =
            (String::from_utf8_lossy(printed), String::from_utf8_lossy(&ran.stderr));
        assert_eq!(printed, *output, "{command}\n{said}");
    }
}
