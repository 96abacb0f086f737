package wait

import (
	"errors"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

// What Argo CD writes, and whether the commit "want" is live.
func TestJudge(t *testing.T) {
	t.Parallel()
	for _, tc := range []outcome{
		{name: "nothing yet", status: `{}`, waiting: "to look at the commit"},
		{name: "degraded", status: `{sync: {status: Synced, revision: want}, health: {status: Degraded}, resources: [{kind: Service, name: a, health: {status: Healthy}}, {kind: Deployment, name: news, health: {status: Degraded, message: crash loop}}]}`, trouble: "Deployment news: Degraded crash loop"},
		{name: "a sync of one of several sources failed", status: `{sync: {status: OutOfSync, revisions: [x, want]}, operationState: {phase: Error, message: no such kind, syncResult: {revisions: [x, want]}}}`, final: "no such kind"},
		{name: "live", status: `{sync: {status: Synced, revision: want}, health: {status: Healthy}, operationState: {phase: Succeeded, finishedAt: "2026-01-01T00:00:00Z"}, reconciledAt: "2026-01-01T00:00:00Z"}`, live: true},
		{name: "live at a later commit", status: `{sync: {status: Synced, revision: later}, health: {status: Healthy}}`, live: true},
		{name: "one of several sources", status: `{sync: {status: Synced, revisions: [x, want]}, health: {status: Healthy}}`, live: true},
		{name: "an older commit", status: `{sync: {status: Synced, revision: old}, health: {status: Healthy}}`, waiting: "it is at old"},
		{name: "not looked at since the sync", status: `{sync: {status: Synced, revision: want}, health: {status: Healthy}, operationState: {phase: Succeeded, finishedAt: "2026-01-01T00:00:05Z"}, reconciledAt: "2026-01-01T00:00:00Z"}`, waiting: "look again"},
		{name: "syncing", status: `{sync: {status: OutOfSync, revision: want}, operationState: {phase: Running}}`, waiting: "the sync to end"},
		{name: "syncing again", status: `{sync: {status: OutOfSync, revision: want}, operationState: {phase: Running, retryCount: 1, message: no such kind}}`, waiting: "the sync to end", trouble: "again and again: no such kind"},
		{name: "failed at this commit", status: `{sync: {status: OutOfSync, revision: want}, operationState: {phase: Failed, message: no such kind, syncResult: {revision: want}}}`, final: "no such kind"},
		{name: "failed at an older commit", status: `{sync: {status: OutOfSync, revision: want}, operationState: {phase: Failed, message: no such kind, syncResult: {revision: old}}}`, waiting: "the sync (now OutOfSync)"},
		{name: "progressing", status: `{sync: {status: Synced, revision: want}, health: {status: Progressing}}`, waiting: "now Progressing"},
		{name: "the repository cannot be read", status: `{sync: {revision: old}, conditions: [{type: ComparisonError, message: authentication required}]}`, trouble: "authentication required"},
		{name: "a wrong application", status: `{conditions: [{type: InvalidSpecError, message: no such project}]}`, final: "no such project"},
		{name: "the history cannot be read", status: `{sync: {revision: broken}}`, fail: "forge is away"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			v, err := ArgoCD{}.judge(object(t, "status: "+tc.status), contains)
			tc.check(t, v, err)
		})
	}
}

// outcome is what a verdict is expected to say: words of each field.
type outcome struct {
	name, status                  string
	live                          bool
	final, trouble, waiting, fail string
}

func (o outcome) check(t *testing.T, v verdict, err error) {
	t.Helper()
	if o.fail != "" {
		if err == nil || !strings.Contains(err.Error(), o.fail) {
			t.Errorf("error %v, want %q", err, o.fail)
		}
		return
	}
	says := func(got, want string) bool { return strings.Contains(got, want) && (want == "") == (got == "") }
	if err != nil || v.live != o.live || !says(v.final, o.final) || !says(v.trouble, o.trouble) || !strings.Contains(v.waiting, o.waiting) {
		t.Errorf("%+v, %v, want %+v", v, err, o)
	}
}

func object(t *testing.T, text string) *unstructured.Unstructured {
	t.Helper()
	obj := &unstructured.Unstructured{}
	if err := yaml.Unmarshal([]byte(text), &obj.Object); err != nil {
		t.Fatal(err)
	}
	return obj
}

// contains takes "want" and "later" for revisions with the commit.
func contains(revision string) (bool, error) {
	if revision == "broken" {
		return false, errors.New("forge is away")
	}
	return revision == "want" || revision == "later", nil
}

// What Flux writes of a Kustomization.
func TestJudgeKustomization(t *testing.T) {
	t.Parallel()
	const ready = `{type: Ready, status: "True", observedGeneration: 2, reason: ReconciliationSucceeded, message: Applied revision}`
	failed := func(reason string) string {
		return `{type: Ready, status: "False", observedGeneration: 2, reason: ` + reason + `, message: why}`
	}
	for _, tc := range []outcome{
		{name: "nothing yet", status: `{}`, waiting: "to look at"},
		{name: "live", status: `{observedGeneration: 2, lastAppliedRevision: "main@sha1:want", lastAttemptedRevision: "main@sha1:want", conditions: [` + ready + `]}`, live: true},
		{name: "live, as older versions write it", status: `{observedGeneration: 2, lastAppliedRevision: main/want, conditions: [` + ready + `]}`, live: true},
		{name: "live at a later commit", status: `{observedGeneration: 2, lastAppliedRevision: "main@sha1:later", conditions: [` + ready + `]}`, live: true},
		{name: "an artifact made of the commit", status: `{observedGeneration: 2, lastAppliedRevision: "latest@sha256:x", lastAppliedOriginRevision: "main@sha1:want", conditions: [` + ready + `]}`, live: true},
		{name: "an older commit", status: `{observedGeneration: 2, lastAppliedRevision: "main@sha1:old", conditions: [` + ready + `]}`, waiting: "it is at old"},
		{name: "an older commit that failed", status: `{observedGeneration: 2, lastAttemptedRevision: "main@sha1:old", conditions: [` + failed("BuildFailed") + `]}`, waiting: "to look at the commit"},
		{name: "an older generation", status: `{observedGeneration: 1, lastAppliedRevision: "main@sha1:want", conditions: [` + ready + `]}`, waiting: "newest specification"},
		{name: "ready at an older generation", status: `{observedGeneration: 2, lastAppliedRevision: "main@sha1:want", conditions: [` + strings.Replace(ready, "observedGeneration: 2", "observedGeneration: 1", 1) + `]}`, waiting: "to apply it"},
		{name: "applying", status: `{observedGeneration: 2, lastAttemptedRevision: "main@sha1:want", conditions: [{type: Reconciling, status: "True"}, {type: Ready, status: Unknown, reason: Progressing, message: Running health checks}]}`, waiting: "Running health checks"},
		{name: "it cannot be built", status: `{observedGeneration: 2, lastAttemptedRevision: "main@sha1:want", conditions: [` + failed("BuildFailed") + `]}`, final: "BuildFailed: why", trouble: "why"},
		{name: "its objects are not healthy", status: `{observedGeneration: 2, lastAttemptedRevision: "main@sha1:want", conditions: [` + failed("HealthCheckFailed") + `]}`, trouble: "HealthCheckFailed: why"},
		{name: "another one comes first", status: `{observedGeneration: 2, lastAttemptedRevision: "main@sha1:want", conditions: [` + failed("DependencyNotReady") + `]}`, waiting: "DependencyNotReady"},
		{name: "stalled", status: `{observedGeneration: 2, lastAttemptedRevision: "main@sha1:want", conditions: [{type: Stalled, status: "True", reason: InvalidSpec, message: why}]}`, final: "InvalidSpec: why"},
		{name: "the history cannot be read", status: `{lastAppliedRevision: "main@sha1:broken"}`, fail: "forge is away"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			v, err := Kustomization{}.judge(object(t, "metadata: {generation: 2}\nstatus: "+tc.status), contains)
			tc.check(t, v, err)
		})
	}
	v, err := Kustomization{}.judge(object(t, "spec: {suspend: true}"), contains)
	outcome{final: "suspended"}.check(t, v, err)
}

// What Flux writes of a HelmRelease.
func TestJudgeHelmRelease(t *testing.T) {
	t.Parallel()
	const ready = `conditions: [{type: Ready, status: "True", observedGeneration: 2}]`
	for _, tc := range []struct {
		version string
		outcome
	}{
		{"", outcome{name: "the chart carries the commit", status: `{observedGeneration: 2, lastAttemptedRevision: 1.0.0+want, history: [{chartVersion: 1.0.0+want}], ` + ready + `}`, live: true}},
		{"", outcome{name: "the chart carries another", status: `{observedGeneration: 2, lastAttemptedRevision: 1.0.0+old, history: [{chartVersion: 1.0.0+old}], ` + ready + `}`, waiting: "it is at 1.0.0+old"}},
		{"1.2.0", outcome{name: "the version", status: `{observedGeneration: 2, lastAttemptedRevision: 1.2.0, history: [{chartVersion: 1.2.0}, {chartVersion: 1.1.0}], ` + ready + `}`, live: true}},
		{"1.2.0", outcome{name: "not released yet", status: `{observedGeneration: 2, lastAttemptedRevision: 1.2.0, history: [{chartVersion: 1.1.0}], ` + ready + `}`, waiting: "to release the chart"}},
		{"1.2.0", outcome{name: "the release fails", status: `{observedGeneration: 2, lastAttemptedRevision: 1.2.0, conditions: [{type: Ready, status: "False", reason: UpgradeFailed, message: why}]}`, trouble: "UpgradeFailed: why"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			v, err := HelmRelease{Version: tc.version}.judge(object(t, "metadata: {generation: 2}\nstatus: "+tc.status), contains)
			tc.check(t, v, err)
		})
	}
}
