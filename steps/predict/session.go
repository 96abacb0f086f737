package predict

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/model-delivery/model-delivery/steps/predict/checks"
	"github.com/model-delivery/model-delivery/steps/predict/metrics"
	"github.com/model-delivery/model-delivery/steps/predict/report"
	"github.com/model-delivery/model-delivery/steps/seldonclient"
)

// session asks one target over whatever protocols the checks need.
type session struct {
	options Options
	target  Target

	mu        sync.Mutex
	clients   map[clientKey]*seldonclient.Client
	calls     map[*checks.Check]seldonclient.Prepared // built, not sent yet
	latencies metrics.Latencies                       // of single requests
	named     map[string]bool                         // images of which an answer told
	awaited   map[string]int                          // what came before the model was ready
	types     map[*checks.Check]string                // datatypes in V2, of all requests of a check
	datasets  map[*checks.Check]func() error          // tell what is wrong in a dataset
}

type clientKey struct {
	protocol  seldonclient.Protocol
	transport seldonclient.Transport
	explainer bool // it is the explainer that is asked
}

func newSession(o Options, t Target) *session {
	return &session{
		options: o, target: t, clients: map[clientKey]*seldonclient.Client{}, calls: map[*checks.Check]seldonclient.Prepared{},
		named: map[string]bool{}, awaited: map[string]int{}, types: map[*checks.Check]string{}, datasets: map[*checks.Check]func() error{},
	}
}

func (s *session) close() {
	for _, client := range s.clients {
		client.Close()
	}
}

// optionsFor are those of a client.
func (s *session) optionsFor(key clientKey) seldonclient.Options {
	d := s.options.File.Defaults
	o := s.target.Options
	o.Protocol, o.Transport = key.protocol, key.transport
	o.Target.Model = cmp.Or(o.Target.Model, d.Model)
	o.Target.Version = cmp.Or(o.Target.Version, d.Version)
	if key.transport == seldonclient.GRPC && s.target.GRPCEndpoint != "" {
		o.Target.Endpoint = s.target.GRPCEndpoint
	}
	if key.explainer {
		o.Target.Endpoint = s.target.Explainer
	}
	if len(d.Headers) > 0 {
		headers := d.Headers.Clone()
		maps.Copy(headers, o.Headers)
		o.Headers = headers
	}
	o.Connections = 1
	for _, c := range s.options.File.Checks {
		o.Connections = max(o.Connections, s.options.Concurrency)
		if c.Load != nil {
			o.Connections = max(o.Connections, c.Load.Concurrency)
		}
		if c.Dataset != nil {
			o.Connections = max(o.Connections, c.Dataset.Concurrency)
		}
	}
	return o
}

// client returns the client that a check is asked with.
func (s *session) client(c *checks.Check) (*seldonclient.Client, error) {
	key := s.speaks(c)
	s.mu.Lock()
	defer s.mu.Unlock()
	if client := s.clients[key]; client != nil {
		return client, nil
	}
	client, err := seldonclient.New(s.optionsFor(key))
	if err != nil {
		return nil, err
	}
	s.clients[key] = client
	return client, nil
}

// info describes the target for the report.
func (s *session) info(d checks.Defaults) report.Target {
	key := clientKey{protocol: s.protocol(d.Protocol), transport: cmp.Or(s.target.Options.Transport, d.Transport)}
	o := s.optionsFor(key)
	return report.Target{
		Name: s.target.Name, Endpoint: s.options.Secrets(o.Target.Endpoint), Gateway: string(cmp.Or(o.Target.Gateway, seldonclient.NoGateway)),
		Namespace: o.Target.Namespace, Deployment: o.Target.Deployment, Protocol: string(key.protocol), Transport: string(key.transport),
		Images: s.target.Images, ModelURIs: s.target.ModelURIs,
	}
}

// callOf is the call that a request makes. What was turned into another protocol
// is not sent as it was written.
func (s *session) callOf(c *checks.Check, q *checks.Request) (seldonclient.Call, error) {
	call := seldonclient.Call{Method: c.Method, Timeout: c.Timeout}
	if q == nil {
		return call, nil
	}
	call.Headers, call.ContentType, call.Binary = q.Headers, q.ContentType, q.Binary
	key := s.speaks(c)
	var err error
	if call.Body, err = adapt(q.Body, key.protocol, s.defaultsFor(c)); err != nil {
		return call, err
	}
	if q.Raw != nil && (key.transport == seldonclient.REST && key.protocol == c.Protocol || q.Body == nil) {
		call.Raw = q.Raw
	}
	return call, nil
}

// prepare builds a check's call.
func (s *session) prepare(c *checks.Check, q *checks.Request) (seldonclient.Prepared, error) {
	client, err := s.client(c)
	if err != nil {
		return nil, err
	}
	call, err := s.callOf(c, q)
	if err != nil {
		return nil, err
	}
	return client.Prepare(call)
}

// prepares tells whether a check can be asked at all.
func (s *session) prepares(c *checks.Check) error {
	if err := s.reads(c); err != nil {
		return err
	}
	if c.Kind() != "request" && (c.Load == nil || c.Load.Request == nil) {
		_, err := s.client(c)
		return err
	}
	q := c.Request
	if c.Load != nil {
		q = c.Load.Request
	}
	p, err := s.prepare(c, q)
	if err == nil && c.Kind() == "request" {
		s.mu.Lock()
		s.calls[c] = p
		s.mu.Unlock()
	}
	return err
}

// call is the call of a single request, built once.
func (s *session) call(c *checks.Check) (seldonclient.Prepared, error) {
	s.mu.Lock()
	p := s.calls[c]
	delete(s.calls, c)
	s.mu.Unlock()
	if p != nil {
		return p, nil
	}
	return s.prepare(c, c.Request)
}

// passing are the statuses of gateways and servers that cannot answer right now.
func passing(status int) bool {
	switch status {
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	}
	return false
}

// maxPause bounds what a Retry-After header may ask for.
const maxPause = 30 * time.Second

// ask sends a call and, when no answer comes, sends it again. wanted is the
// status that the check expects: one that is wanted is an answer. Every
// repetition leaves a line in flakes.
func (s *session) ask(ctx context.Context, p seldonclient.Prepared, wanted *checks.Range, retries int) (a *seldonclient.Answer, flakes []string, err error) {
	for attempt := 0; ; attempt++ {
		a, err = p.Do(ctx)
		why, pause := s.repeatable(a, err, wanted)
		if why == "" || attempt >= retries || ended(ctx) {
			return a, flakes, err
		}
		pause = max(pause, 100*time.Millisecond<<min(attempt, 6))
		flakes = append(flakes, s.options.Secrets(why))
		select {
		case <-ctx.Done():
			return a, flakes, err
		case <-time.After(pause):
		}
	}
}

// repeatable says why a call should be sent again; "": it should not.
func (s *session) repeatable(a *seldonclient.Answer, err error, wanted *checks.Range) (why string, pause time.Duration) {
	if err != nil {
		if e, ok := errors.AsType[*seldonclient.TransportError](err); ok && e.Passing() {
			return e.Error(), 0
		}
		return "", 0
	}
	if !passing(a.Status) || (wanted != nil && wanted.Holds(float64(a.Status))) {
		return "", 0
	}
	pause = retryAfter(a.Header.Get("Retry-After"))
	return fmt.Sprintf("HTTP status %d", a.Status), pause
}

// retryAfter reads the header of that name: seconds, or a date.
func retryAfter(text string) time.Duration {
	d := time.Duration(0)
	if seconds, err := strconv.Atoi(text); err == nil {
		d = time.Duration(min(max(seconds, 0), 3600)) * time.Second
	} else if at, err := http.ParseTime(text); err == nil {
		d = time.Until(at)
	}
	return min(max(d, 0), maxPause)
}

// request runs a check of a single request.
func (s *session) request(ctx context.Context, c *checks.Check, out *report.Check) {
	p, err := s.call(c)
	if err != nil {
		out.Findings = append(out.Findings, report.Finding{Stage: report.Transport, Message: err.Error()})
		return
	}
	retries := s.options.Retries
	if c.Method == seldonclient.Feedback {
		retries = 0 // a reward must not be given twice
	}
	a, flakes, err := s.ask(ctx, p, c.Expect.Status, retries)
	out.Flakes = flakes
	if err != nil {
		f := transport(err)
		if ended(ctx) {
			f = report.Finding{Stage: report.NotReady, Message: "not finished: " + context.Cause(ctx).Error()}
		}
		out.Findings = append(out.Findings, f)
		out.Replay = s.replay(c, c.Request)
		return
	}
	s.mu.Lock()
	s.latencies.Add(a.Latency)
	s.mu.Unlock()
	out.Status = a.Status
	defer s.hold(a)()
	out.Findings = s.judge(c, a)
	out.Summary = fmt.Sprintf("status %d in %s", a.Status, a.Latency.Round(10*time.Microsecond))
	if len(out.Findings) > 0 {
		out.Replay = s.replay(c, c.Request)
		out.Answer = s.options.Secrets(shorten(string(a.Body), 2000))
	}
}

// transport is the finding that no answer came.
func transport(err error) report.Finding {
	return report.Finding{Stage: report.Transport, Message: err.Error(), Hint: hintOf(err)}
}

// clean takes secrets out of a finding.
func (s *session) clean(f report.Finding) report.Finding {
	for _, text := range []*string{&f.Message, &f.Where, &f.Got, &f.Expected} {
		*text = s.options.Secrets(*text)
	}
	return f
}
