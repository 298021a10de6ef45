//! kube's client over HTTPS with the kubeconfig the cluster hands out.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Api, ListParams, Patch, PatchParams, PostParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use motet_devcluster::{Cluster, Options};

async fn client(kubeconfig: &str) -> kube::Client {
    let parsed = Kubeconfig::from_yaml(kubeconfig).unwrap();
    let config = kube::Config::from_custom_kubeconfig(parsed, &KubeConfigOptions::default()).await.unwrap();
    kube::Client::try_from(config).unwrap()
}

#[tokio::test]
async fn the_kubeconfig_works_with_kube() {
    let cluster = Cluster::start(Options::default()).await.unwrap();
    let client = client(&cluster.kubeconfig()).await;
    assert_eq!(client.apiserver_version().await.unwrap().major, "1");
    let maps: Api<ConfigMap> = Api::default_namespaced(client);
    let data = BTreeMap::from([("a".to_owned(), "1".to_owned())]);
    let mut map = ConfigMap { data: Some(data), ..ConfigMap::default() };
    map.metadata.name = Some("m".into());
    maps.create(&PostParams::default(), &map).await.unwrap();
    let label =
        serde_json::json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "m", "labels": {"x": "y"}}});
    maps.patch("m", &PatchParams::apply("tests"), &Patch::Apply(&label)).await.unwrap();
    let found = maps.list(&ListParams::default().labels("x=y")).await.unwrap();
    assert_eq!(found.items.len(), 1);
    assert_eq!(found.items[0].data.as_ref().unwrap()["a"], "1");
    let missing = maps.get("nope").await.unwrap_err();
    assert!(matches!(missing, kube::Error::Api(status) if status.code == 404 && status.reason == "NotFound"));
}

#[tokio::test]
async fn a_wrong_token_or_authority_is_refused() {
    let cluster = Cluster::start(Options::default()).await.unwrap();
    let stranger = client(&cluster.kubeconfig_with_token("wrong")).await;
    let maps: Api<ConfigMap> = Api::default_namespaced(stranger);
    let refused = maps.list(&ListParams::default()).await.unwrap_err();
    assert!(matches!(refused, kube::Error::Api(status) if status.code == 401));
    let other = Cluster::start(Options::default()).await.unwrap();
    let mixed = cluster.kubeconfig().replace(&cluster.url(), &other.url());
    let maps: Api<ConfigMap> = Api::default_namespaced(client(&mixed).await);
    assert!(maps.list(&ListParams::default()).await.is_err(), "another cluster's certificate must not be trusted");
}
