//! `make demo`: Motet's main job on embedded clusters (or, with REAL=1, on real kube-apiservers), played as a scenario and checked with a client at every step.

mod screen;
mod services;
mod shipping;
mod stage;
mod steps;
mod table;

use std::{process::ExitCode, sync::Arc, time::Instant};

use anyhow::Result;
use screen::Screen;
use stage::Stage;

#[tokio::main]
async fn main() -> ExitCode {
    let screen = Arc::new(Screen::new());
    match run(&screen).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            screen.say(&format!("the demo could not be played: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

/// What became of one step.
struct Played {
    name: &'static str,
    seconds: f64,
    /// None where it was not reached.
    result: Option<Result<String>>,
}

async fn run(screen: &Arc<Screen>) -> Result<bool> {
    let real = set("REAL");
    screen.say(if real {
        "Starting a hub and 8 members: real kube-apiservers, each with its etcd (a minute or two)."
    } else {
        "Starting a hub and 8 members: Kubernetes API servers over HTTPS, embedded in this process."
    });
    let stage = Arc::new(Stage::start(real).await?);
    screen.say(&format!("Starting motet-host as its own process; its log is {}", stage.log().display()));
    let refresh = screen.is_terminal().then(|| tokio::spawn(table::refresh(stage.clone(), screen.clone())));
    let mut played = Vec::new();
    for (number, (name, step)) in steps::ALL.into_iter().enumerate() {
        let failed = played.iter().any(|p: &Played| matches!(p.result, Some(Err(_))));
        if failed {
            played.push(Played { name, seconds: 0.0, result: None });
            continue;
        }
        screen.say(&format!("\n{}. {name}", number + 1));
        let started = Instant::now();
        let result = step(&stage).await;
        let seconds = started.elapsed().as_secs_f64();
        match &result {
            Ok(seen) => screen.say(&format!("   ok in {seconds:.1} s: {seen}")),
            // What went wrong comes first, then what was going on: the host's last lines, mostly.
            Err(error) => screen.say(&format!("   FAILED after {seconds:.1} s: {}\n{error}", error.root_cause())),
        }
        if !screen.is_terminal() {
            table::lines(&stage).await.iter().for_each(|line| screen.say(&format!("   {line}")));
        }
        played.push(Played { name, seconds, result: Some(result) });
    }
    let good = played.iter().all(|p| matches!(p.result, Some(Ok(_))));
    if good && set("KEEP") {
        keep(&stage, screen).await?;
    }
    if let Some(refresh) = refresh {
        refresh.abort();
        let _ = refresh.await;
    }
    screen.leave_table();
    summary(screen, &played);
    Ok(stop(stage, screen).await? && good)
}

fn set(variable: &str) -> bool {
    std::env::var(variable).is_ok_and(|value| value == "1")
}

fn summary(screen: &Screen, played: &[Played]) {
    let width = played.iter().map(|p| p.name.len()).max().unwrap_or_default();
    screen.say(&format!("\n{:width$}  result  seconds", "step"));
    for Played { name, seconds, result } in played {
        let word = match result {
            Some(Ok(_)) => "ok",
            Some(Err(_)) => "FAILED",
            None => "-",
        };
        screen.say(&format!("{name:width$}  {word:6}  {seconds:7.1}"));
    }
    if let Some(Err(error)) = played.iter().find_map(|p| p.result.as_ref().filter(|r| r.is_err())) {
        screen.say(&format!("\nIt did not hold: {}", error.root_cause()));
    }
}

/// Leaves everything running until a signal, with something to try.
async fn keep(stage: &Stage, screen: &Screen) -> Result<()> {
    let files = stage.write_kubeconfigs()?;
    screen.say("\nKEEP=1: everything goes on until Ctrl-C. To try, with a kubectl of yours:");
    for line in [
        format!("kubectl --kubeconfig {} get plugins,members", files.hub.display()),
        format!("kubectl --kubeconfig {} label namespace default motet.dev/baseline=true", files.member.display()),
        format!("kubectl --kubeconfig {} get networkpolicies,resourcequotas,limitranges -A", files.member.display()),
        format!(
            "kubectl --kubeconfig {} -n default delete resourcequota motet-baseline   # it comes back",
            files.member.display()
        ),
        format!("curl {}/api/v1/bindings", stage.host.url()),
    ] {
        screen.say(&format!("  {line}"));
    }
    screen.say(&format!("  (every cluster's kubeconfig is in {})", files.folder.display()));
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    tokio::select! {
        _ = terminate.recv() => {}
        stopped = tokio::signal::ctrl_c() => stopped?,
    }
    Ok(())
}

/// Stops the host as an operator would; true where it went cleanly.
async fn stop(stage: Arc<Stage>, screen: &Screen) -> Result<bool> {
    let Some(stage) = Arc::into_inner(stage) else { return Ok(true) };
    let Stage { host, .. } = stage;
    let code = host.terminate().await?;
    screen.say(&format!("\nThe host stopped on SIGTERM with exit code {code}."));
    Ok(code == 0)
}
