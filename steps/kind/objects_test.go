package kind

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/fake"
)

func TestWriteObjects(t *testing.T) {
	t.Parallel()
	at := func(second int) metav1.Time { return metav1.NewTime(time.Date(2030, 1, 2, 3, 4, second, 0, time.UTC)) }
	pod := corev1.ObjectReference{Kind: "Pod", Namespace: "models", Name: "news"}
	api := fake.NewClientset(
		&corev1.Event{ObjectMeta: metav1.ObjectMeta{Namespace: "models", Name: "a"}, InvolvedObject: pod, Type: "Warning", Reason: "Failed", Message: "no such image\n", LastTimestamp: at(9), Count: 3},
		&corev1.Event{ObjectMeta: metav1.ObjectMeta{Namespace: "models", Name: "b"}, InvolvedObject: pod, Type: "Normal", Reason: "Scheduled", Message: "assigned", EventTime: metav1.MicroTime(at(8))},
		&corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "models", Name: "news"}, Spec: corev1.PodSpec{NodeName: "node"}, Status: corev1.PodStatus{
			Phase:      corev1.PodPending,
			Conditions: []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionFalse, Reason: "ContainersNotReady"}, {Type: corev1.PodScheduled, Status: corev1.ConditionTrue}},
			ContainerStatuses: []corev1.ContainerStatus{{Name: "classifier", Image: "news:1", RestartCount: 2,
				State:                corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "CrashLoopBackOff"}},
				LastTerminationState: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: 137, Reason: "OOMKilled"}}}},
		}},
	)
	dir := t.TempDir()
	if err := writeObjects(t.Context(), api, dir); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"events.txt": "2030-01-02T03:04:08Z Normal  Pod models/news Scheduled: assigned\n2030-01-02T03:04:09Z Warning Pod models/news Failed: no such image (3 times)\n",
		"pods.txt": "models/news Pending on node \n  Ready is False: ContainersNotReady \n" +
			"  container classifier of news:1: ready false, 2 restart(s), waiting: CrashLoopBackOff \n    before: ended with exit code 137, OOMKilled \n",
	} {
		if got, err := os.ReadFile(filepath.Join(dir, name)); err != nil || string(got) != want {
			t.Errorf("%s: %v\n%s\nwant\n%s", name, err, strings.TrimSpace(string(got)), want)
		}
	}
}
