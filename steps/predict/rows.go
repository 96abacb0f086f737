package predict

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"sync"

	"github.com/model-delivery/model-delivery/steps/predict/checks"
	"github.com/model-delivery/model-delivery/steps/predict/dataset"
	"github.com/model-delivery/model-delivery/steps/predict/metrics"
	"github.com/model-delivery/model-delivery/steps/predict/report"
	"github.com/model-delivery/model-delivery/steps/seldonclient"
	"github.com/model-delivery/model-delivery/steps/seldonclient/value"
)

// batch is some rows of a dataset that travel in one request.
type batch struct {
	rows   [][]any
	labels []any
	lines  []int
}

// batchBody is a request in Seldon's form with those rows. Rows of one text
// travel as the text alone, as SeldonClient sends an array of strings.
func batchBody(d *checks.Dataset, rows [][]any) any {
	list := make([]any, len(rows))
	for i, row := range rows {
		if _, text := row[0].(string); len(row) == 1 && text && !d.Rows {
			list[i] = row[0]
			continue
		}
		list[i] = slices.Clone(row)
	}
	var names []string
	if d.Names {
		names = d.Inputs
	}
	return dataOf(list, d.Payload, names)
}

// batches streams a dataset; visit is called for each batch and may keep it.
func (s *session) batches(ctx context.Context, d *checks.Dataset, visit func(batch) bool) error {
	o := d.File
	o.Path = filepath.Join(s.options.File.Dir, o.Path)
	columns := slices.Clone(d.Inputs)
	if d.Label != "" {
		columns = append(columns, d.Label)
	}
	rows, err := dataset.Open(o, columns)
	if err != nil {
		return err
	}
	defer rows.Close()
	var b batch
	for {
		row, err := rows.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		b.rows = append(b.rows, slices.Clone(row[:len(d.Inputs)]))
		if d.Label != "" {
			b.labels = append(b.labels, row[len(d.Inputs)])
		}
		b.lines = append(b.lines, rows.Line())
		if len(b.rows) == d.Batch {
			if !visit(b) || ctx.Err() != nil {
				return ctx.Err()
			}
			b = batch{}
		}
	}
	if len(b.rows) > 0 {
		visit(b)
	}
	return ctx.Err()
}

// maxWrong is how many wrongly answered rows are shown.
const maxWrong = 10

// scorer sums up the answers to a dataset. It is safe for concurrent use.
type scorer struct {
	mu         sync.Mutex
	check      *checks.Check
	classify   bool // the metrics are those of classes
	regress    bool
	classes    metrics.Classes
	regression metrics.Regression
	latencies  metrics.Latencies
	rows       int
	mismatches int
	wrong      []wrongRow
	findings   []report.Finding
	flakes     []string
	broken     int   // requests without a usable answer
	unusable   batch // the first of them
}

func newScorer(c *checks.Check) *scorer {
	s := &scorer{check: c}
	for name := range c.Expect.Metrics {
		switch name {
		case "mae", "rmse", "r2":
			s.regress = true
		case "mismatches":
		default:
			s.classify = true
		}
	}
	return s
}

// fail records a request that has no usable answer. The first few are shown.
func (s *scorer) fail(f report.Finding, b batch) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.broken++; s.broken == 1 {
		s.unusable = b
	}
	if len(s.findings) < 3 {
		f.Message = fmt.Sprintf("rows of line %d to %d: %s", b.lines[0], b.lines[len(b.lines)-1], f.Message)
		s.findings = append(s.findings, f)
	}
}

// add scores the answer to a batch.
func (s *scorer) add(b batch, m *seldonclient.Message) *report.Finding {
	rows, err := rowsOf(m, s.check.Dataset.Output)
	if err == nil && len(rows) != len(b.rows) && len(b.rows) == 1 && len(rows) > 1 && !isArray(rows[0]) {
		rows = []any{any(rows)} // one row of scores without the array around it
	}
	if err == nil && len(rows) != len(b.rows) {
		err = fmt.Errorf("%d rows were sent, the answer has %d", len(b.rows), len(rows))
	}
	if err != nil {
		return &report.Finding{Stage: report.Schema, Message: err.Error()}
	}
	names := labelsOf(s.check.Classes, m, rows)
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, row := range rows {
		s.rows++
		if s.check.Dataset.Label == "" {
			continue
		}
		if err := s.score(b, i, row, names); err != nil {
			return &report.Finding{Stage: report.Schema, Message: fmt.Sprintf("row of line %d: %v", b.lines[i], err)}
		}
	}
	return nil
}

func (s *scorer) score(b batch, i int, row any, names labels) error {
	label := b.labels[i]
	same := false
	got := ""
	if s.regress {
		expected, ok := value.Float(label)
		if !ok {
			return fmt.Errorf("the label %s is not a number", value.String(label, 60))
		}
		row = single(row)
		predicted, ok := value.Float(row)
		if !ok {
			return fmt.Errorf("the answer %s is not a number", value.String(row, 60))
		}
		s.regression.Add(expected, predicted)
		same = s.near(expected, predicted)
		got = value.String(row, 60)
	}
	if s.classify || !s.regress {
		expected, err := names.label(label)
		if err != nil {
			return err
		}
		predicted, err := names.of(row)
		if err != nil {
			return err
		}
		predicted = spelled(predicted, expected)
		if !s.classify && names.names == nil && s.nearNumbers(label, single(row)) {
			predicted = expected
		}
		if err := s.classes.Add(expected, predicted); err != nil {
			return err
		}
		same = expected == predicted
		got = shorten(predicted, 60)
	}
	if !same {
		s.mismatches++
		if len(s.wrong) < maxWrong {
			shown := report.WrongRow{Line: b.lines[i], Input: value.String(b.rows[i], 200), Expected: plainText(label), Got: got}
			s.wrong = append(s.wrong, wrongRow{shown, b.rows[i]})
		}
	}
	return nil
}

// dataset runs a check of a dataset.
func (s *session) dataset(ctx context.Context, c *checks.Check, out *report.Check) {
	score := newScorer(c)
	err := s.eachBatch(ctx, c, c.Dataset, func(b batch) bool {
		a, finding := s.askRows(ctx, c, b, score)
		if finding == nil {
			finding = s.scoreRows(a, b, score)
		}
		if a != nil {
			score.mu.Lock()
			score.latencies.Add(a.Latency)
			score.mu.Unlock()
		}
		if finding != nil {
			score.fail(*finding, b)
		}
		score.mu.Lock()
		defer score.mu.Unlock()
		return score.broken < maxBroken
	})
	score.finish(out)
	if score.broken >= maxBroken {
		out.Findings = append(out.Findings, report.Finding{Stage: out.Findings[0].Stage, Message: fmt.Sprintf("given up after %d requests without a usable answer", score.broken)})
	}
	if err != nil && ctx.Err() == nil {
		out.Findings = append(out.Findings, report.Finding{Stage: report.Value, Message: fmt.Sprintf("%s: %v", c.Dataset.File.Path, err)})
	}
	if rows := score.example(); len(out.Findings) > 0 && rows != nil {
		out.Replay = s.replay(c, &checks.Request{Body: batchBody(c.Dataset, rows)})
	}
}

// maxBroken is how many requests of a dataset may stay without a usable answer
// before the rest is not sent any more.
const maxBroken = 10

// eachBatch hands the batches of a dataset to as many workers as the check says.
func (s *session) eachBatch(ctx context.Context, c *checks.Check, d *checks.Dataset, work func(batch) bool) error {
	if d.Concurrency <= 1 {
		return s.batches(ctx, d, work)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	queue := make(chan batch)
	var group sync.WaitGroup
	var once sync.Once
	stopped := false
	for range d.Concurrency {
		group.Go(func() {
			for b := range queue {
				if !work(b) {
					once.Do(func() { stopped = true; cancel() })
				}
			}
		})
	}
	err := s.batches(ctx, d, func(b batch) bool {
		select {
		case queue <- b:
			return true
		case <-ctx.Done():
			return false
		}
	})
	close(queue)
	group.Wait()
	if stopped {
		return nil
	}
	return err
}

// askRows asks for the rows of a batch.
func (s *session) askRows(ctx context.Context, c *checks.Check, b batch, score *scorer) (*seldonclient.Answer, *report.Finding) {
	var repeated report.Check
	a, finding := s.send(ctx, c, &checks.Request{Body: batchBody(c.Dataset, b.rows)}, &repeated)
	if len(repeated.Flakes) > 0 {
		score.mu.Lock()
		score.flakes = append(score.flakes, repeated.Flakes...)
		score.mu.Unlock()
	}
	return a, finding
}

// scoreRows reads and scores the answer to a batch.
func (s *session) scoreRows(a *seldonclient.Answer, b batch, score *scorer) *report.Finding {
	defer s.hold(a)()
	m, finding := s.read(a)
	if finding != nil {
		return finding
	}
	return score.add(b, m)
}
