//! `--help` of everything: it changes on purpose or not at all.

use super::Sandbox;
use insta::assert_snapshot;

fn help(command: &[&str]) -> String {
    Sandbox::new().ok(&[command, &["--help"]].concat())
}

#[test]
fn of_the_program() {
    assert_snapshot!(help(&[]), @"
    A database that teams share without a server, mounted as folders

    Usage: factfs <COMMAND>

    Commands:
      demo           Make the databases of two teams, with history, to try things on
      init           Make an empty database
      mount          Mount databases as folders
      umount         Unmount what is mounted at folders
      transact       Commit transactions, form by form as they arrive
      query          Run a query over any number of databases
      pull           Show what is known of entities, as nested maps in the shape of a pattern
      import         Import rows of csv, tsv, JSON or EDN
      log            Show the transactions of a branch: when, which commit, how much changed
      diff           Show what changed from one moment of a database to another
      branch         List, make, rename and delete branches
      merge          Merge what another branch came to into a branch
      tag            List, make and delete tags
      gc             Delete what no branch, tag or kept moment refers to; everybody goes on meanwhile
      purge          Erase facts for good: from branches, tags, history, log and every object
      status         Show what is mounted here, how a mount is, or what a database is: where, which, how
                     large
      doctor         Find out what is wrong with this machine, its mounts and its stores, and what to do
      verify         Look through a whole database: every object, every hash, the log against all else
      verify-result  Make an answer again from its .meta, and compare it byte for byte
      clone          Copy a database to another place: a backup, or a replica to read from
      check-store    Find out whether a place keeps what a database needs of it, also under a race of
                     writers
      completions    Print completions for a shell
      man            Write the manual pages to a folder, or show the page of a command
      help           Print this message or the help of the given subcommand(s)

    Options:
      -h, --help     Print help
      -V, --version  Print version

    Every command keeps what it reads of remote stores on disk, for the next one:
      --cache DIR|off      where [default: factfs in the user's caches; or FACTFS_CACHE]
      --cache-bytes BYTES  how much, such as 500M [default: 2G; or FACTFS_CACHE_BYTES]

    Exit codes:
       0  success
       2  a mistake on the command line
       3  the text, the schema or a type is wrong (EINVAL)
       4  there is nothing of that name (ENOENT)
       5  a unique value or a name is taken (EEXIST)
       6  changed meanwhile; nothing was written (ECANCELED)
       7  contended beyond the limit; nothing was written (EBUSY)
       8  time limit, or a commit's outcome is unknown (ETIMEDOUT)
       9  more rows or bytes than the limit (EFBIG)
      10  more memory than the limit (ENOMEM)
      11  interrupted (EINTR)
      12  the storage is out of reach (EIO)
      13  the credentials do not allow it (EACCES)
      14  stored bytes are damaged (EBADMSG)
      15  the place may be read, not written (EROFS)
      16  the place is full (ENOSPC)
      17  what it was about is gone (ESTALE)
      18  factfs does not do that (EOPNOTSUPP)
      19  not allowed on this name (EPERM)
      20  not a folder (ENOTDIR)
      21  a folder (EISDIR)
      22  to another place, where it has to be copied (EXDEV)
      23  no such handle, or not open for this (EBADF)
      24  the name is too long (ENAMETOOLONG)
    ");
}

#[test]
fn of_transact() {
    assert_snapshot!(help(&["transact"]), @r#"
    Commit transactions, form by form as they arrive

    Each form is a transaction: a vector of forms, or one map. One line is printed for each when it is
    durable. After an error nothing more is read; what was reported stays committed.

    Usage: factfs transact [OPTIONS] <DB> <FILE|TEXT|->

    Arguments:
      <DB>
              The database: URL, URL#BRANCH, or the folder of a branch in a mount

      <FILE|TEXT|->
              A file of EDN, EDN itself, or - for standard input

    Options:
          --branch <BRANCH>
              The branch, as after `#`

          --tx-id <ID>
              An id of yours: what was committed under it before is not committed again. The second form
              gets ID.2, the third ID.3

      -f, --format <FORMAT>
              The format of what is printed [default: txt on a terminal, else csv; reports and single
              values: edn]
              
              [possible values: csv, tsv, json, jsonl, edn, txt, md]

      -h, --help
              Print help (see a summary with '-h')

    Examples:
      factfs transact /srv/inventory tx.edn
      factfs transact /srv/inventory '[{:item/sku "A1" :item/count 5}]'
      tail -f changes.edn | factfs transact s3://team-a/catalog - --format json
      factfs transact /srv/inventory tx.edn --tx-id order-4711

    A database is named by
      URL             a directory, s3://BUCKET/PREFIX, gs://…, az://…, sqlite:///FILE.db/PREFIX,
                      postgres://USER@HOST/DATABASE/PREFIX, https://… (to read)
      URL#BRANCH      a branch of it
      URL@WHEN        its state then: a basis t, an age (7d, 36h), a time (2026-06-30), a tag, a branch,
                      or the beginning of a commit id
      FOLDER          a snapshot folder of a mount, such as ~/data/catalog/head
    "#);
}

#[test]
fn of_query() {
    assert_snapshot!(help(&["query"]), @r#"
    Run a query over any number of databases

    The query is a file, the text itself, or - for standard input. A query file may also be a map around
    a query: {:query … :inputs {?min 10, $old "…"} :rules […]}, also with :args, the inputs in their
    order, and :limit, :offset, :order-by and :timeout. A database after the query is `$`, or the only
    one that the query names; --in names the others.

    Usage: factfs query [OPTIONS] <QUERY> [DB]

    Arguments:
      <QUERY>
              A file, the text of a query, or - for standard input

      [DB]
              The database, if there is one: URL, URL#BRANCH, URL@WHEN, or a snapshot folder of a mount

    Options:
          --branch <BRANCH>
              The branch, as after `#`

          --at <WHEN>
              The moment, as after `@`: t, age, time, tag, branch or commit

          --in <NAME=DB>
              The database that the query calls $NAME; DB/diff/A..B is what changed there, as rows [e a
              v change old t instant], and file:PATH a file of rows: .csv, .tsv, .json, .jsonl, .edn.
              May be repeated

          --arg <?X=EDN>
              The value of an input, as EDN. May be repeated

          --rules <FILE>
              The rules, for `%`: a file of EDN, or EDN itself

          --pin <FILE>
              Read every database that is named without @WHEN as of its commit in a pin: a pin.edn, or
              the .meta of an answer

          --explain
              Show how the query was run, with the rows of each step, in the place of its answer

          --limit <N>
              At most so many rows of the answer

          --offset <N>
              Leave out so many rows

          --timeout <SECONDS>
              Give up after so many seconds

          --max-memory <MIB>
              How many MiB the query may take in memory, about
              
              [default: 4096]

      -f, --format <FORMAT>
              The format of what is printed [default: txt on a terminal, else csv; reports and single
              values: edn]
              
              [possible values: csv, tsv, json, jsonl, edn, txt, md]

      -h, --help
              Print help (see a summary with '-h')

    Examples:
      factfs query '[:find ?n . :where [_ :product/name ?n]]' /srv/catalog
      factfs query low-stock.edn --in catalog=s3://team-a/catalog --in inventory=/srv/inventory
      factfs query low-stock.edn --in catalog=s3://team-a/catalog@2026-06-30 \
          --in inventory=/srv/inventory@2026-06-30 --format csv
      factfs query '[:find ?i :in $ ?max :where [?i :item/count ?c] [(< ?c ?max)]]' \
          ~/data/inventory/head --arg '?max=10'
      factfs query '[:find ?e ?old ?new :in $d :where [$d ?e :product/price ?new :changed ?old]]' \
          --in d=/srv/catalog/diff/7d..main

    A database is named by
      URL             a directory, s3://BUCKET/PREFIX, gs://…, az://…, sqlite:///FILE.db/PREFIX,
                      postgres://USER@HOST/DATABASE/PREFIX, https://… (to read)
      URL#BRANCH      a branch of it
      URL@WHEN        its state then: a basis t, an age (7d, 36h), a time (2026-06-30), a tag, a branch,
                      or the beginning of a commit id
      FOLDER          a snapshot folder of a mount, such as ~/data/catalog/head
    "#);
}

#[test]
fn of_import() {
    assert_snapshot!(help(&["import"]), @r#"
    Import rows of csv, tsv, JSON or EDN

    The header, or the keys of objects, name attributes: `product/sku`. A row with an identity that is
    there already is added to that entity. Values are read by the type of their attribute; many values
    are a JSON array. A ref is an id, an `:ident`, an object, or, in a column named
    `product/supplier.supplier/id`, the value of that identity. An empty cell says nothing; `\N`, and
    null in JSON, retracts. In EDN a map is an entity, a vector a transaction of its own.

    Usage: factfs import [OPTIONS] <DB> [FILE|-]

    Arguments:
      <DB>
              The database: URL, URL#BRANCH, or the folder of a branch in a mount

      [FILE|-]
              A file, or - for standard input
              
              [default: -]

    Options:
      -f, --format <FORMAT>
              The format of the input [default: by the name of the file]
              
              [possible values: csv, tsv, json, jsonl, edn]

          --report <FORMAT>
              The format of the report [default: edn]
              
              [possible values: edn, json]

          --branch <BRANCH>
              The branch, as after `#`

          --namespace <NS>
              The namespace of columns that have none

          --map <COLUMN=ATTR>
              A column means this attribute; without an attribute it is skipped. May be repeated

          --entity-id <COLUMN>
              This column holds entity ids, like `db/id`

          --identity <ATTR>
              These attributes identify entities: checked, and said in the schema that --infer proposes.
              May be repeated

          --create-refs
              Make an entity where an identity in a ref names nobody [default: an error]

          --schema <FILE>
              Transactions to begin with: a file of EDN, or EDN itself

          --infer
              State the attributes that are unknown, as the first rows suggest

          --infer-rows <N>
              How many rows --infer looks at
              
              [default: 1000]

          --batch <N>
              How many rows make a transaction
              
              [default: 1000]

          --tx-id <PREFIX>
              Give batches ids that begin like this, so that what is committed is not committed again

      -h, --help
              Print help (see a summary with '-h')

    Examples:
      factfs import /srv/catalog products.csv --schema schema.edn
      factfs import /srv/catalog products.csv --namespace product --identity product/sku --infer
      factfs import /srv/catalog prices.csv --map Artikel=product/sku --map Preis=product/price \
          --map Bemerkung=
      make-rows | factfs import s3://team-a/catalog - --format jsonl --tx-id nightly-2026-06-30

    A database is named by
      URL             a directory, s3://BUCKET/PREFIX, gs://…, az://…, sqlite:///FILE.db/PREFIX,
                      postgres://USER@HOST/DATABASE/PREFIX, https://… (to read)
      URL#BRANCH      a branch of it
      URL@WHEN        its state then: a basis t, an age (7d, 36h), a time (2026-06-30), a tag, a branch,
                      or the beginning of a commit id
      FOLDER          a snapshot folder of a mount, such as ~/data/catalog/head
    "#);
}

#[test]
fn of_log() {
    assert_snapshot!(help(&["log"]), @"
    Show the transactions of a branch: when, which commit, how much changed

    The newest come first, unless --from names a beginning. The column `tx` holds what a transaction
    says about itself, and `:purged N` where N datoms of it were erased for good.

    Usage: factfs log [OPTIONS] <DB>

    Arguments:
      <DB>
              The database: URL, URL#BRANCH, URL@WHEN, or a snapshot folder of a mount

    Options:
          --branch <BRANCH>
              The branch, as after `#`

          --at <WHEN>
              The moment, as after `@`: t, age, time, tag, branch or commit

          --from <T>
              Begin with this t and go on to newer ones

      -n, --limit <N>
              How many transactions at most
              
              [default: 20]

          --datoms
              Show what changed, a datom a row

      -f, --format <FORMAT>
              The format of what is printed [default: txt on a terminal, else csv; reports and single
              values: edn]
              
              [possible values: csv, tsv, json, jsonl, edn, txt, md]

      -h, --help
              Print help (see a summary with '-h')

    Examples:
      factfs log /srv/inventory
      factfs log /srv/inventory --limit 5 --datoms
      factfs log s3://team-a/catalog --from 1 --format jsonl

    A database is named by
      URL             a directory, s3://BUCKET/PREFIX, gs://…, az://…, sqlite:///FILE.db/PREFIX,
                      postgres://USER@HOST/DATABASE/PREFIX, https://… (to read)
      URL#BRANCH      a branch of it
      URL@WHEN        its state then: a basis t, an age (7d, 36h), a time (2026-06-30), a tag, a branch,
                      or the beginning of a commit id
      FOLDER          a snapshot folder of a mount, such as ~/data/catalog/head
    ");
}

#[test]
fn every_command_has_examples() {
    let commands = [
        "demo",
        "init",
        "mount",
        "umount",
        "transact",
        "query",
        "pull",
        "import",
        "log",
        "branch",
        "tag",
        "gc",
        "status",
        "completions",
    ];
    for command in commands {
        let help = help(&[command]);
        assert!(help.contains("Examples:\n  factfs "), "{command}: {help}");
    }
}

#[test]
fn a_mistake_on_the_command_line_has_exit_code_2() {
    let sandbox = Sandbox::new();
    assert_eq!(sandbox.ran(&["transact"], "").code, 2);
    assert_eq!(sandbox.ran(&["transakt"], "").code, 2);
    assert_eq!(
        sandbox.ran(&["query", "[:find ?e :where [?e]]", "db", "--format", "xml"], "").code,
        2
    );
}

#[test]
fn of_verify() {
    assert_snapshot!(help(&["verify"]), @"
    Look through a whole database: every object, every hash, the log against all else

    All branches and tags. What is wrong is told with the name of the object, and the exit code is 14.
    Memory grows with the number of tree nodes, not with the facts.

    Usage: factfs verify [OPTIONS] <DB>

    Arguments:
      <DB>
              The database: a directory, s3://BUCKET/PREFIX, gs://…, az://…, https://…

    Options:
          --repair
              Make anew what the log can make

      -f, --format <FORMAT>
              The format of what is printed [default: txt on a terminal, else csv; reports and single
              values: edn]
              
              [possible values: csv, tsv, json, jsonl, edn, txt, md]

      -h, --help
              Print help (see a summary with '-h')

    Examples:
      factfs verify /srv/inventory
      factfs verify s3://team-a/catalog --format json
      factfs verify /srv/inventory --repair

    --repair makes the trees, the novelty and the counts of damaged branches anew from their logs:
    new objects, then one swap of the head. Nothing is deleted, and the log is never changed. A log
    or a head that is damaged comes back from a clone only.
    ");
}

#[test]
fn of_verify_result() {
    assert_snapshot!(help(&["verify-result"]), @"
    Make an answer again from its .meta, and compare it byte for byte

    A .meta names the query, its inputs, and the commit of each database that was read. The databases
    are looked for where they were, then in the mounts of this machine; --store says it. A file of rows
    that was read is needed as it was: it is looked for where it was, then beside the .meta, and
    compared by its hash; --file says where it is. When the bytes are the same the exit code is 0. When
    they are not it says which source differs, and how.

    Usage: factfs verify-result [OPTIONS] <FILE.meta>

    Arguments:
      <FILE.meta>
              The .meta of an answer, such as results/low-stock.csv.meta of a mount, or a copy of it

    Options:
          --store <NAME=DB>
              Where the store is that was mounted as NAME. May be repeated

          --file <NAME=FILE>
              Where the file of rows is that the query calls $NAME. May be repeated

          --result <FILE>
              Compare this file as well: the answer as it was sent

          --timeout <SECONDS>
              Give up after so many seconds
              
              [default: 3600]

      -f, --format <FORMAT>
              The format of what is printed [default: txt on a terminal, else csv; reports and single
              values: edn]
              
              [possible values: csv, tsv, json, jsonl, edn, txt, md]

      -h, --help
              Print help (see a summary with '-h')

    Examples:
      cat ~/data/results/low-stock.csv > low-stock.csv
      cat ~/data/results/low-stock.csv.meta > low-stock.csv.meta
      factfs verify-result low-stock.csv.meta
      factfs verify-result low-stock.csv.meta --result low-stock.csv
      factfs verify-result low-stock.csv.meta --store catalog=s3://team-a/catalog --format json

    Databases are looked through as a whole only when the bytes differ: every object, every hash, the
    log against all else. Exit code 14: the answer is another one, or the file is.
    ");
}

#[test]
fn of_clone() {
    assert_snapshot!(help(&["clone"]), @"
    Copy a database to another place: a backup, or a replica to read from

    Objects are copied as they are, each verified on the way, and only those that are not there yet;
    heads last. So an interrupted copy is as whole as it was before, and the next one goes on.

    Usage: factfs clone [OPTIONS] <SRC> <DST>

    Arguments:
      <SRC>
              The database to copy

      <DST>
              Where to: an empty place, or an earlier copy

    Options:
          --follow
              Go on copying what is new, until interrupted

          --interval <SECONDS>
              How often to look for what is new, in seconds
              
              [default: 1]

          --fork
              Make a database of its own, not a replica

      -f, --format <FORMAT>
              The format of what is printed [default: txt on a terminal, else csv; reports and single
              values: edn]
              
              [possible values: csv, tsv, json, jsonl, edn, txt, md]

      -h, --help
              Print help (see a summary with '-h')

    Examples:
      factfs clone s3://team-a/catalog /backup/catalog
      factfs clone s3://team-a/catalog ~/catalog --follow
      factfs clone /backup/catalog /srv/catalog --fork

    A copy is a replica: reading it needs nothing of SRC, and nothing is written to it but by clone.
    With --fork it is a database of its own instead, with an id of its own and the same commits: to go
    on from a backup, or to try things. Objects that SRC no longer has stay in DST.
    ");
}

#[test]
fn of_diff() {
    assert_snapshot!(help(&["diff"]), @r#"
    Show what changed from one moment of a database to another

    A row for each fact that was added, or retracted, and for each one-valued attribute that has another
    value: entity, attribute, value, what happened, the value before, and the transaction that made it
    so, if TO knows it. The moments may be of different branches, in any order. What both have in common
    is not read.

    Usage: factfs diff [OPTIONS] <DB> <FROM> [TO]

    Arguments:
      <DB>
              The database: URL, or URL#BRANCH for times and numbers of that branch

      <FROM>
              From when: t, age, time, tag, branch or commit; or both moments, A..B

      [TO]
              To when [default: the head, or the moment that DB names]

    Options:
          --entity <ENTITY>
              What changed of one entity: an id, an :ident or a lookup ref

          --attribute <:ATTRIBUTE>
              What changed of an attribute. May be repeated

          --no-tx
              Leave out what transactions say about themselves, such as when they were made

          --exit-code
              Say by the exit code whether something changed: 1, or 0 where nothing did

      -f, --format <FORMAT>
              The format of what is printed [default: txt on a terminal, else csv; reports and single
              values: edn]
              
              [possible values: csv, tsv, json, jsonl, edn, txt, md]

      -h, --help
              Print help (see a summary with '-h')

    Examples:
      factfs diff /srv/catalog v1
      factfs diff /srv/catalog v1 main --format json
      factfs diff /srv/catalog 7d..main --attribute :product/price
      factfs diff /srv/catalog 2026-05 2026-06 --entity '[:product/sku "A1"]'
      factfs diff --exit-code --no-tx /srv/inventory main what-if > what-if.csv

    With --exit-code the exit code is 1 where something changed, and 0 where nothing did.

    A database is named by
      URL             a directory, s3://BUCKET/PREFIX, gs://…, az://…, sqlite:///FILE.db/PREFIX,
                      postgres://USER@HOST/DATABASE/PREFIX, https://… (to read)
      URL#BRANCH      a branch of it
      URL@WHEN        its state then: a basis t, an age (7d, 36h), a time (2026-06-30), a tag, a branch,
                      or the beginning of a commit id
      FOLDER          a snapshot folder of a mount, such as ~/data/catalog/head
    "#);
}
