package kind

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"regexp"
	"time"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes"
)

// errDNSLoop says that what the cluster's DNS server passes on comes back to
// it. CoreDNS looks for that itself and ends, again and again, but it does so
// up to two seconds after it began to answer.
var errDNSLoop = errors.New("the DNS server asks itself for the names that it does not know")

const (
	// loopRounds is how often a question comes that nobody asked so often.
	loopRounds = 5
	// loopWait is how long a question that has come has to go round. It takes
	// some 1 ms each time.
	loopWait = 100 * time.Millisecond
	// loopLook is how often the server's count is read meanwhile.
	loopLook = 20 * time.Millisecond
	// dnsSelector is the label of CoreDNS's pods in a cluster of kubeadm.
	dnsSelector = "k8s-app=kube-dns"
	// unknownDomain has no names: RFC 2606, section 2.
	unknownDomain = "invalid."
)

// loops asks for a name that the server has to pass on, and returns
// [errDNSLoop] if the server was asked for more than that. A server that does
// not count is taken at its word.
func (s dnsServer) loops(ctx context.Context) error {
	asking, cancel := context.WithCancel(ctx)
	defer cancel()
	answered := make(chan struct{})
	go func() {
		defer close(answered)
		// No answer is as good as any: there may be nobody to pass it on to.
		_, _ = s.resolver.LookupTXT(asking, fmt.Sprintf("%x.%s", rand.Uint64(), unknownDomain))
	}()
	var came time.Time
	for last := false; ; {
		asked, err := s.questions(ctx, "TXT")
		switch {
		case err != nil:
			return s.answers(ctx) // unless it has ended
		case asked > loopRounds:
			return errDNSLoop
		case last:
			return nil
		case asked > 0 && came.IsZero():
			came = time.Now()
		case asked > 0 && time.Since(came) > loopWait:
			return nil
		}
		select {
		case <-answered:
			last = true
		case <-time.After(loopLook):
		}
	}
}

// questions is how often the server was asked for a type of record.
func (s dnsServer) questions(ctx context.Context, record string) (float64, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.metrics, nil)
	if err != nil {
		return 0, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, err
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		return 0, fmt.Errorf("%s: %s", s.metrics, response.Status)
	}
	return countQuestions(io.LimitReader(response.Body, maxEvidence), record)
}

// countQuestions adds up CoreDNS's metric of questions for a type of record.
func countQuestions(metrics io.Reader, record string) (float64, error) {
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(metrics)
	if err != nil {
		return 0, fmt.Errorf("read the DNS server's metrics: %w", err)
	}
	family, ok := families["coredns_dns_requests_total"]
	if !ok {
		return 0, errors.New("the DNS server does not count questions")
	}
	count := 0.0
	for _, metric := range family.GetMetric() {
		for _, label := range metric.GetLabel() {
			if label.GetName() == "type" && label.GetValue() == record {
				count += metric.GetCounter().GetValue()
			}
		}
	}
	return count, nil
}

// loopLog is what CoreDNS says as it ends for a loop.
var loopLog = regexp.MustCompile(`plugin/loop: Loop .* detected`)

// dnsEnded follows the pods of the DNS server until one of them has ended for
// a loop, [errDNSLoop], or ctx ends or the watch breaks off.
func dnsEnded(ctx context.Context, api kubernetes.Interface) error {
	pods := api.CoreV1().Pods(systemNamespace)
	if err := until(ctx, pods, metav1.ListOptions{LabelSelector: dnsSelector}, func(event watch.Event) bool {
		pod, ok := event.Object.(*corev1.Pod)
		if !ok || event.Type == watch.Deleted {
			return false
		}
		for _, status := range pod.Status.ContainerStatuses {
			if status.State.Terminated == nil && status.LastTerminationState.Terminated == nil {
				continue
			}
			log, err := pods.GetLogs(pod.Name, &corev1.PodLogOptions{
				Container: status.Name, Previous: status.State.Terminated == nil, TailLines: new(int64(20)),
			}).DoRaw(ctx)
			if err == nil && loopLog.Match(log) {
				return true
			}
		}
		return false
	}); err != nil {
		return err
	}
	return errDNSLoop
}
