// Package e2e holds the tests that run on the local platform: real Docker,
// KIND, Tekton, Seldon Core, forge and GitOps controller. They need the build
// tag e2e and a platform that is up (go run ./test/platform up).
package e2e
