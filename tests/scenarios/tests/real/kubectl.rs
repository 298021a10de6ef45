//! kubectl's daily verbs, typed the same at a real and at an embedded cluster: both must answer the same.

use std::{
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use anyhow::{Context, Result};
use motet_devcluster::{Cluster, Options};
use motet_scenarios::real::{self, RealCluster};

const MAP: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: one, labels: {app: shop}}\ndata: {a: b}\n";
const MAP_CHANGED: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: one, labels: {app: shop}}\ndata: {a: c}\n";
const OTHER: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: two}\ndata: {k: v}\n";
const DEPLOYMENT: &str = "apiVersion: apps/v1
kind: Deployment
metadata: {name: web, labels: {app: web}}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: c, image: registry.example/web:1, ports: [{containerPort: 80}]}]}
";
const DEFINITION: &str = "apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: boats.example.org}
spec:
  group: example.org
  scope: Namespaced
  names: {plural: boats, singular: boat, kind: Boat, listKind: BoatList, shortNames: [bt]}
  versions:
  - name: v1
    served: true
    storage: true
    subresources: {status: {}}
    additionalPrinterColumns:
    - {name: Length, type: integer, jsonPath: .spec.length}
    schema:
      openAPIV3Schema:
        type: object
        properties:
          spec: {type: object, required: [length], properties: {length: {type: integer, minimum: 1}, flag: {type: string, default: none}}}
          status: {type: object, x-kubernetes-preserve-unknown-fields: true}
";
const BOAT: &str = "apiVersion: example.org/v1\nkind: Boat\nmetadata: {name: gull}\nspec: {length: 7}\n";
const BAD_BOAT: &str = "apiVersion: example.org/v1\nkind: Boat\nmetadata: {name: sunk}\nspec: {length: 0}\n";
const AVAILABLE: &str = r#"{"status":{"conditions":[{"type":"Available","status":"True","reason":"Told","message":"by a test","lastTransitionTime":"2026-01-01T00:00:00Z","lastUpdateTime":"2026-01-01T00:00:00Z"}]}}"#;

/// What is typed, in order, and what is piped in. The words are split at spaces; `%` stands for a space inside one.
const SESSION: &[(&str, &str)] = &[
    ("apply --server-side -f -", MAP),
    ("apply --server-side -f -", MAP),
    ("apply --server-side -f -", MAP_CHANGED),
    ("get configmap one -o yaml --show-managed-fields", ""),
    ("apply --server-side --field-manager=other -f -", MAP),
    ("apply --server-side --field-manager=other --force-conflicts -f -", MAP),
    ("apply --server-side --force-conflicts -f -", MAP_CHANGED),
    ("get configmap one -o jsonpath={.data}", ""),
    ("get configmaps", ""),
    ("get configmaps -l app=shop --show-labels", ""),
    ("get configmaps -l app=other", ""),
    ("get configmaps --field-selector metadata.name=one -o name", ""),
    ("get configmap none", ""),
    ("get configmap one -o yaml", ""),
    ("label configmap one tier=edge", ""),
    ("label configmap one tier=core", ""),
    ("label configmap one tier=core --overwrite", ""),
    ("label configmap one tier-", ""),
    ("annotate configmap one note=seen", ""),
    ("patch configmap one --type=merge -p {\"data\":{\"a\":null,\"x\":\"y\"}}", ""),
    ("patch configmap one --type=json -p [{\"op\":\"test\",\"path\":\"/data/x\",\"value\":\"z\"}]", ""),
    ("patch configmap one --type=json -p [{\"op\":\"add\",\"path\":\"/data/z\",\"value\":\"1\"}]", ""),
    ("get configmap one -o jsonpath={.data}", ""),
    ("create -f -", OTHER),
    ("create -f -", OTHER),
    ("get configmaps -o custom-columns=NAME:.metadata.name,DATA:.data", ""),
    ("apply --server-side -f -", DEPLOYMENT),
    ("get deployments", ""),
    ("get deployments -o wide", ""),
    ("scale deployment web --replicas=3", ""),
    ("get deployment web -o jsonpath={.spec.replicas}/{.metadata.generation}", ""),
    ("set image deployment/web c=registry.example/web:2", ""),
    ("get deployment web -o jsonpath={.spec.template.spec.containers[*].image}", ""),
    ("patch deployment web --subresource=status --type=merge -p", AVAILABLE),
    ("wait --for=condition=Available deployment/web --timeout=20s", ""),
    ("wait --for=jsonpath={.spec.replicas}=3 deployment/web --timeout=20s", ""),
    ("wait --for=condition=Progressing deployment/web --timeout=1s", ""),
    ("apply --server-side -f -", DEFINITION),
    ("wait --for=condition=Established crd/boats.example.org --timeout=20s", ""),
    ("apply --server-side -f -", BOAT),
    ("apply --server-side -f -", BAD_BOAT),
    ("get boats", ""),
    ("get bt gull -o jsonpath={.spec}", ""),
    ("get boats -A", ""),
    ("explain boats.spec.length", ""),
    ("api-resources --api-group=example.org", ""),
    ("get nothing", ""),
    ("delete boat gull", ""),
    ("delete crd boats.example.org", ""),
    ("delete configmap one two", ""),
    ("wait --for=delete configmap/one --timeout=20s", ""),
    ("delete configmap one", ""),
    ("delete configmap one --ignore-not-found", ""),
    ("delete deployment web", ""),
    ("get deployments,configmaps", ""),
];

struct Kubectl {
    program: PathBuf,
    kubeconfig: PathBuf,
    home: PathBuf,
}

impl Kubectl {
    fn new(folder: &Path, name: &str, kubeconfig: &str) -> Result<Self> {
        let (file, home) = (folder.join(format!("{name}.yaml")), folder.join(format!("{name}-home")));
        std::fs::write(&file, kubeconfig)?;
        std::fs::create_dir(&home)?;
        Ok(Self { program: real::programs()?.join("kubectl"), kubeconfig: file, home })
    }

    fn command(&self, line: &str) -> Command {
        let mut command = Command::new(&self.program);
        command.arg("--kubeconfig").arg(&self.kubeconfig).args(line.split(' ')).env("HOME", &self.home);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Exit code and what was printed, without what differs between any two clusters.
    fn run(&self, line: &str, input: &str) -> Result<String> {
        let mut command = self.command(line);
        if line.ends_with(" -p") {
            command.arg(input);
        }
        let mut child = command.spawn()?;
        child.stdin.take().context("stdin")?.write_all(input.as_bytes())?;
        let output = child.wait_with_output()?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Ok(neutral(&format!(
            "code {}\n{}{}",
            output.status.code().unwrap_or(-1),
            text(&output.stdout),
            text(&output.stderr)
        )))
    }

    fn watch(&self, line: &str) -> Result<(Child, impl Iterator<Item = std::io::Result<String>> + use<>)> {
        let mut child = self.command(line).spawn()?;
        let lines = BufReader::new(child.stdout.take().context("stdout")?).lines();
        Ok((child, lines))
    }
}

/// Ages, times, UIDs, versions and the white space of tables differ between any two clusters.
fn neutral(text: &str) -> String {
    text.lines()
        .map(|line| {
            let field = line.trim_start();
            for masked in ["uid:", "resourceVersion:", "creationTimestamp:", "time:"] {
                if field.starts_with(masked) || field.strip_prefix("- ").is_some_and(|f| f.starts_with(masked)) {
                    return format!("{masked} …");
                }
            }
            let words: Vec<&str> = line.split_whitespace().map(|w| if is_age(w) { "AGE" } else { w }).collect();
            words.join(" ")
        })
        // What the control plane itself keeps in a namespace.
        .filter(|line| !line.contains("kube-root-ca.crt"))
        .collect::<Vec<_>>()
        .join("\n")
}

fn is_age(word: &str) -> bool {
    word.strip_suffix('s').is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()))
}

#[tokio::test(flavor = "multi_thread")]
async fn kubectl_sees_the_same_at_a_real_and_an_embedded_cluster() -> Result<()> {
    let real = RealCluster::start("kubectl").await?;
    let embedded = Cluster::start(Options { name: "embedded".into(), ..Options::default() }).await?;
    let folder = tempfile::tempdir()?;
    let at_real = Kubectl::new(folder.path(), "real", &real.kubeconfig("admin"))?;
    let at_embedded = Kubectl::new(folder.path(), "embedded", &embedded.kubeconfig())?;
    let differing = tokio::task::spawn_blocking(move || {
        let mut differing = Vec::new();
        for (line, input) in SESSION {
            let (mut wanted, seen) = (at_real.run(line, input)?, at_embedded.run(line, input)?);
            // A real server publishes the schema of a new definition some moments after it is established.
            for _ in 0..20 {
                if wanted == seen || !line.starts_with("explain ") {
                    break;
                }
                std::thread::sleep(std::time::Duration::from_millis(500));
                wanted = at_real.run(line, input)?;
            }
            if wanted != seen {
                differing.push(format!("$ kubectl {line}\n--- real\n{wanted}\n--- embedded\n{seen}\n"));
            }
        }
        anyhow::Ok(differing)
    })
    .await??;
    assert!(differing.is_empty(), "{} of {}:\n{}", differing.len(), SESSION.len(), differing.join("\n"));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn kubectl_watches_an_embedded_cluster() -> Result<()> {
    let embedded = Cluster::start(Options { name: "embedded".into(), ..Options::default() }).await?;
    let folder = tempfile::tempdir()?;
    let kubectl = Kubectl::new(folder.path(), "embedded", &embedded.kubeconfig())?;
    tokio::task::spawn_blocking(move || {
        kubectl.run("create -f -", MAP)?;
        let (mut child, mut lines) = kubectl.watch("get configmaps -w -o name")?;
        let mut next = || lines.next().context("the watch ended").and_then(|line| Ok(line?));
        let first = next();
        kubectl.run("label configmap one a=b", "")?;
        kubectl.run("create -f -", OTHER)?;
        let rest: Result<Vec<String>> = (0..2).map(|_| next()).collect();
        child.kill()?;
        child.wait()?;
        assert_eq!((first?.as_str(), rest?), ("configmap/one", vec!["configmap/one".into(), "configmap/two".into()]));
        Ok(())
    })
    .await?
}
