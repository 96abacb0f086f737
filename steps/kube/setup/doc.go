// Package setup reads what to install in a cluster from a setup file and
// installs it: Helm charts, kustomizations and manifests, each entry as soon as
// those it needs are ready, entries that do not need one another side by side.
//
// A setup file looks like this:
//
//	apiVersion: model-delivery.dev/v1
//	kind: ClusterSetup
//	install:
//	- profile: seldon-core                  # comes with the bundle
//	- profile: ambassador
//	  values: {service: {type: NodePort}}
//	- name: cache
//	  namespace: cache
//	  chart: {repository: https://charts.example.org, name: redis, version: 1.2.3, values: {replicas: 1}}
//	- name: features
//	  needs: [cache]
//	  manifests:
//	  - file: features.yaml
//	  - url: https://example.org/crds.yaml
//	    sha256: 7d865e959b2466918c9863afca942d0fb89d7c9ac0c99bafc3749504ded97730
//	- name: overlays
//	  kustomize: {path: overlays/test}
package setup
