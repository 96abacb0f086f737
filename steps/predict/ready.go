package predict

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/model-delivery/model-delivery/steps/predict/checks"
	"github.com/model-delivery/model-delivery/steps/predict/dataset"
	"github.com/model-delivery/model-delivery/steps/seldonclient"
)

// probe is how a target is asked whether it is there.
type probe struct {
	prepared seldonclient.Prepared
	wanted   *checks.Range // the status that the check expects
	what     string
	check    *checks.Check
	request  *checks.Request
}

// notReadyError says that a target did not answer in time.
type notReadyError struct {
	err    error
	replay string // of what it was asked with last
}

func (e *notReadyError) Error() string { return e.err.Error() }
func (e *notReadyError) Unwrap() error { return e.err }

// replayOf is the replay of what a target, which is not ready, was asked with.
func replayOf(err error) string {
	if e, ok := errors.AsType[*notReadyError](err); ok {
		return e.replay
	}
	return ""
}

// ready waits until the target answers over every protocol that the checks
// need. Whether it answers rightly is for the checks to tell. The error says
// what came last, and what ended the whole run, when it was that.
func (s *session) ready(ctx context.Context, selected []*checks.Check) (time.Duration, error) {
	start := time.Now()
	wait, cancel := context.WithTimeout(ctx, max(s.options.ReadyTimeout, time.Millisecond))
	defer cancel()
	for _, p := range s.probes(selected) {
		if err := s.await(wait, p, start); err != nil {
			if ended(ctx) {
				err = fmt.Errorf("not run: %w; %w", context.Cause(ctx), err)
			}
			return time.Since(start), &notReadyError{err, s.replay(p.check, p.request)}
		}
	}
	return time.Since(start), nil
}

// probes has one probe for each protocol and transport: a request of the
// checks' own, since nothing else shows that predictions are served.
func (s *session) probes(selected []*checks.Check) []probe {
	var out []probe
	done := map[clientKey]bool{}
	add := func(c *checks.Check, q *checks.Request) {
		key := s.speaks(c)
		if done[key] {
			return
		}
		if p, err := s.prepare(c, q); err == nil {
			done[key] = true
			out = append(out, probe{p, c.Expect.Status, fmt.Sprintf("check %q", c.Name), c, q})
		}
	}
	for _, c := range selected {
		if key := s.speaks(c); key.protocol == seldonclient.V2 && !done[key] {
			client, err := s.client(c)
			if err != nil {
				continue
			}
			if p, err := client.Prepare(seldonclient.Call{Method: seldonclient.Ready, Timeout: c.Timeout}); err == nil {
				done[key] = true
				asked := *c
				asked.Method = seldonclient.Ready
				out = append(out, probe{p, nil, "readiness of the model", &asked, nil})
			}
		}
	}
	// A request that is meant to succeed, then any other.
	for _, c := range selected {
		if c.Kind() == "request" && c.Method == seldonclient.Predict && !expectsFailure(&c.Expect) {
			add(c, c.Request)
		}
	}
	for _, c := range selected {
		switch {
		case c.Load != nil && c.Load.Request != nil:
			add(c, c.Load.Request)
		case c.Load != nil:
			add(c, s.options.File.Find(c.Load.Check).Request)
		case c.Dataset != nil:
			add(c, s.firstRow(c.Dataset))
		}
	}
	for _, c := range selected {
		if c.Kind() == "request" && c.Method != seldonclient.Feedback {
			add(c, c.Request)
		}
	}
	return out
}

// firstRow is a request with the first row of a dataset; nil when there is none.
func (s *session) firstRow(d *checks.Dataset) *checks.Request {
	o := d.File
	o.Path = filepath.Join(s.options.File.Dir, o.Path)
	rows, err := dataset.Open(o, d.Inputs)
	if err != nil {
		return nil
	}
	defer rows.Close()
	row, err := rows.Next()
	if err != nil {
		return nil
	}
	return &checks.Request{Body: batchBody(d, [][]any{row})}
}

// logEvery is how often a wait says that it goes on.
const logEvery = 5 * time.Second

func (s *session) await(ctx context.Context, p probe, start time.Time) error {
	told := start
	pause := 50 * time.Millisecond
	var last waitError
	for {
		a, err := p.prepared.Do(ctx)
		why, hint := s.notReady(p, a, err)
		if why == "" {
			return nil
		}
		why = s.options.Secrets(why)
		if err == nil {
			s.awaited[fmt.Sprintf("HTTP status %d", a.Status)]++
		} else if ended(ctx) {
			// This call was ended by the end of the wait.
			why, hint = cmp.Or(last.what, "no answer came"), cmp.Or(last.hint, hint)
		}
		last = waitError{why, hint}
		if time.Since(told) > logEvery {
			told = time.Now()
			s.options.Log("waiting for the model, %s so far: %s", time.Since(start).Round(time.Second), printable(why))
		}
		select {
		case <-ctx.Done():
			return &waitError{fmt.Sprintf("not ready after %s, asked with %s: %s", time.Since(start).Round(100*time.Millisecond), p.what, why), hint}
		case <-time.After(pause):
		}
		pause = min(pause*3/2, time.Second)
	}
}

// waitedThrough says which answers came before the model was ready; "": none did.
func (s *session) waitedThrough() string {
	var parts []string
	for _, what := range slices.Sorted(maps.Keys(s.awaited)) {
		parts = append(parts, fmt.Sprintf("%d × %s", s.awaited[what], what))
	}
	if len(parts) == 0 {
		return ""
	}
	return "answered while the model was waited for: " + strings.Join(parts, ", ")
}

// notReady says why an answer shows that nothing is served yet, and what to try
// if it stays so; "": something is.
func (s *session) notReady(p probe, a *seldonclient.Answer, err error) (why, hint string) {
	if err != nil {
		e, ok := errors.AsType[*seldonclient.TransportError](err)
		if ok && (e.Passing() || e.Kind == seldonclient.KindTimeout || e.Kind == seldonclient.KindCanceled) {
			if e.Kind == seldonclient.KindTimeout && !e.Unconnected {
				return "it takes connections but is slow: " + e.Error(), hintSlow
			}
			return e.Error(), hintReady
		}
		return "", "" // it will not go away; the checks say what it is
	}
	if p.wanted != nil && p.wanted.Holds(float64(a.Status)) {
		return "", ""
	}
	body := string(a.Body[:min(len(a.Body), 500)])
	switch {
	case a.Status == http.StatusNotFound:
		return "it answered HTTP status 404, so the name or the path may be wrong: " + shorten(body, 200), hintPath
	case passing(a.Status):
		return fmt.Sprintf("HTTP status %d: %s", a.Status, shorten(body, 200)), hintReady
	case a.Status == http.StatusBadRequest && strings.Contains(strings.ToLower(body), "not ready"):
		return "the model is not ready: " + shorten(body, 200), hintReady
	}
	return "", ""
}
