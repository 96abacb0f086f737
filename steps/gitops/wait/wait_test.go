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
	for _, tc := range []struct {
		name, status         string
		live                 bool
		final, waiting, fail string
	}{
		{name: "nothing yet", status: `{}`, waiting: "to look at the commit"},
		{name: "live", status: `{sync: {status: Synced, revision: want}, health: {status: Healthy}, operationState: {phase: Succeeded, finishedAt: "2026-01-01T00:00:00Z"}, reconciledAt: "2026-01-01T00:00:00Z"}`, live: true},
		{name: "live at a later commit", status: `{sync: {status: Synced, revision: later}, health: {status: Healthy}}`, live: true},
		{name: "one of several sources", status: `{sync: {status: Synced, revisions: [x, want]}, health: {status: Healthy}}`, live: true},
		{name: "an older commit", status: `{sync: {status: Synced, revision: old}, health: {status: Healthy}}`, waiting: "it is at old"},
		{name: "not looked at since the sync", status: `{sync: {status: Synced, revision: want}, health: {status: Healthy}, operationState: {phase: Succeeded, finishedAt: "2026-01-01T00:00:05Z"}, reconciledAt: "2026-01-01T00:00:00Z"}`, waiting: "look again"},
		{name: "syncing", status: `{sync: {status: OutOfSync, revision: want}, operationState: {phase: Running}}`, waiting: "the sync to end"},
		{name: "failed at this commit", status: `{sync: {status: OutOfSync, revision: want}, operationState: {phase: Failed, message: no such kind, syncResult: {revision: want}}}`, final: "no such kind"},
		{name: "failed at an older commit", status: `{sync: {status: OutOfSync, revision: want}, operationState: {phase: Failed, message: no such kind, syncResult: {revision: old}}}`, waiting: "the sync (now OutOfSync)"},
		{name: "progressing", status: `{sync: {status: Synced, revision: want}, health: {status: Progressing}}`, waiting: "now Progressing"},
		{name: "the repository cannot be read", status: `{sync: {revision: old}, conditions: [{type: ComparisonError, message: authentication required}]}`, waiting: "authentication required"},
		{name: "a wrong application", status: `{conditions: [{type: InvalidSpecError, message: no such project}]}`, final: "no such project"},
		{name: "the history cannot be read", status: `{sync: {revision: broken}}`, fail: "forge is away"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			obj := &unstructured.Unstructured{}
			if err := yaml.Unmarshal([]byte("status: "+tc.status), &obj.Object); err != nil {
				t.Fatal(err)
			}
			app, err := readApplication(obj)
			if err != nil {
				t.Fatal(err)
			}
			v, err := judge(app, func(revision string) (bool, error) {
				if revision == "broken" {
					return false, errors.New("forge is away")
				}
				return revision == "want" || revision == "later", nil
			})
			if tc.fail != "" {
				if err == nil || !strings.Contains(err.Error(), tc.fail) {
					t.Errorf("error %v, want %q", err, tc.fail)
				}
				return
			}
			if err != nil || v.live != tc.live || !strings.Contains(v.final, tc.final) || (tc.final == "") != (v.final == "") || !strings.Contains(v.waiting, tc.waiting) {
				t.Errorf("%+v, %v", v, err)
			}
		})
	}
}
