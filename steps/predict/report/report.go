// Package report holds what came of prediction checks, and writes it for
// programs (JSON, JUnit) and for people (Markdown, HTML).
package report

import (
	"time"

	"github.com/model-delivery/model-delivery/steps/predict/metrics"
)

// Stage is how far a check came before something was wrong, or [Passed].
type Stage string

// Stages, in the order in which they are reached.
const (
	NotReady  Stage = "not-ready" // nothing answered in time
	Transport Stage = "transport" // no whole answer came
	HTTP      Stage = "http"      // another status than expected, or an answer that says it failed
	Schema    Stage = "schema"    // not of the protocol, or of another type or shape
	Value     Stage = "value"     // other values than expected
	SLO       Stage = "slo"       // too slow
	Passed    Stage = "passed"
	Skipped   Stage = "skipped" // nothing to compare with was given, or it cannot be asked as the flags say
)

// Stages lists the stages at which a check can fail.
func Stages() []Stage { return []Stage{NotReady, Transport, HTTP, Schema, Value, SLO} }

// APIVersion and Kind head every report.
const (
	APIVersion = "model-delivery.dev/v1"
	Kind       = "PredictionReport"
)

// Report is what came of a file of checks.
type Report struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	// Outcome is passed, or the first stage that any check failed at.
	Outcome  Stage    `json:"outcome"`
	Passed   int      `json:"passed"`
	Failed   int      `json:"failed"`
	Skipped  int      `json:"skipped"`
	Flakes   int      `json:"flakes"` // calls that were repeated because no answer came
	Accuracy *float64 `json:"accuracy,omitempty"`
	// P95 is in milliseconds: of the load where there is one, else of all requests.
	P95     *float64  `json:"p95Milliseconds,omitempty"`
	File    string    `json:"file"`
	Digest  string    `json:"digest"`
	Started time.Time `json:"started"`
	Seconds float64   `json:"seconds"`
	Targets []Target  `json:"targets"`
	Checks  []Check   `json:"checks"`
	Logs    []Log     `json:"logs,omitempty"`
	// Notes are what there is to know of the whole run, such as what it left
	// unproved.
	Notes []string `json:"notes,omitempty"`
}

// Target is what was asked.
type Target struct {
	Name         string            `json:"name,omitempty"` // of the predictor, where there are several
	Endpoint     string            `json:"endpoint"`
	Gateway      string            `json:"gateway"`
	Namespace    string            `json:"namespace,omitempty"`
	Deployment   string            `json:"deployment,omitempty"`
	Protocol     string            `json:"protocol"`
	Transport    string            `json:"transport"`
	Images       map[string]string `json:"images,omitempty"` // by container, as the cluster says
	ModelURIs    map[string]string `json:"modelUris,omitempty"`
	Baseline     bool              `json:"baseline,omitempty"`
	ReadySeconds float64           `json:"readySeconds"`
}

// Check is what came of one check against one target.
type Check struct {
	Name     string    `json:"name"`
	Target   string    `json:"target,omitempty"`
	Kind     string    `json:"kind"` // request, dataset, load, contract or compare
	Line     int       `json:"line"`
	Outcome  Stage     `json:"outcome"`
	Seconds  float64   `json:"seconds"`
	Summary  string    `json:"summary,omitempty"`
	Findings []Finding `json:"findings,omitempty"`
	Flakes   []string  `json:"flakes,omitempty"`
	Replay   string    `json:"replay,omitempty"` // a command that asks the same
	Status   int       `json:"status,omitempty"` // HTTP status of a single answer
	Answer   string    `json:"answer,omitempty"` // of a failed check, shortened

	Latency *Latency `json:"latency,omitempty"`
	Dataset *Dataset `json:"dataset,omitempty"`
	Load    *Load    `json:"load,omitempty"`
	Compare *Compare `json:"compare,omitempty"`
}

// Latency is how long answers took, in milliseconds.
type Latency struct {
	Count     int           `json:"count"`
	Mean      float64       `json:"mean"`
	Min       float64       `json:"min"`
	P50       float64       `json:"p50"`
	P90       float64       `json:"p90"`
	P95       float64       `json:"p95"`
	P99       float64       `json:"p99"`
	Max       float64       `json:"max"`
	Histogram []metrics.Bin `json:"histogram,omitempty"`
}

// NewLatency sums up what was measured; nil when nothing was.
func NewLatency(l *metrics.Latencies) *Latency {
	if l.Count() == 0 {
		return nil
	}
	return &Latency{
		Count: l.Count(), Mean: Milliseconds(l.Mean()), Min: Milliseconds(l.Min()), P50: Milliseconds(l.Percentile(50)), P90: Milliseconds(l.Percentile(90)),
		P95: Milliseconds(l.Percentile(95)), P99: Milliseconds(l.Percentile(99)), Max: Milliseconds(l.Max()), Histogram: l.Histogram(40),
	}
}

// Milliseconds is a duration in milliseconds, to the microsecond.
func Milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// Dataset is what came of a labelled dataset.
type Dataset struct {
	Rows      int                  `json:"rows"`
	Accuracy  *float64             `json:"accuracy,omitempty"`
	Macro     map[string]float64   `json:"macro,omitempty"` // precision, recall and f1
	Classes   []metrics.ClassScore `json:"classes,omitempty"`
	Confusion *Confusion           `json:"confusion,omitempty"`
	MAE       *float64             `json:"mae,omitempty"`
	RMSE      *float64             `json:"rmse,omitempty"`
	R2        *float64             `json:"r2,omitempty"`
	// NotFinite is how many rows have NaN or an infinity, which no metric has a
	// number for: those of the metrics that come out as none are left out.
	NotFinite int          `json:"notFinite,omitempty"`
	Points    [][2]float64 `json:"points,omitempty"` // expected and predicted, a sample
	Wrong     []WrongRow   `json:"wrong,omitempty"`  // the first few
}

// Confusion is how often a class was taken for another: Counts[expected][predicted].
type Confusion struct {
	Names  []string `json:"names"`
	Counts [][]int  `json:"counts"`
}

// WrongRow is a row of a dataset that was answered wrongly.
type WrongRow struct {
	Line     int    `json:"line"`
	Input    string `json:"input"`
	Expected string `json:"expected"`
	Got      string `json:"got"`
}

// Load is what came of a load.
type Load struct {
	Seconds     float64        `json:"seconds"`
	Requests    int            `json:"requests"`
	Errors      int            `json:"errors"`
	ByError     map[string]int `json:"byError,omitempty"`
	Rate        float64        `json:"rate"`             // answers a second
	Wanted      float64        `json:"wanted,omitempty"` // requests a second that were asked for
	Concurrency int            `json:"concurrency"`
	// Service is how long answers took from when the request was sent. The
	// check's latency counts from when it was due.
	Service *Latency `json:"service,omitempty"`
	Stopped string   `json:"stopped,omitempty"` // why it ended early
}

// Compare is what came of asking two deployments the same.
type Compare struct {
	Rows       int          `json:"rows"`
	Agreement  float64      `json:"agreement"`            // share of rows answered alike
	Difference *float64     `json:"difference,omitempty"` // the largest; none where it is infinite
	NotFinite  int          `json:"notFinite,omitempty"`  // rows with NaN or an infinity on either side
	Slowdown   float64      `json:"slowdown"`             // median latency over the baseline's
	Baseline   *Latency     `json:"baseline,omitempty"`
	Candidate  *Latency     `json:"candidate,omitempty"`
	Movers     []Mover      `json:"movers,omitempty"`
	Points     [][2]float64 `json:"points,omitempty"` // baseline and candidate, a sample
}

// Mover is an input that the two answer differently.
type Mover struct {
	Line      int     `json:"line,omitempty"` // of the dataset
	Input     string  `json:"input"`
	Baseline  string  `json:"baseline"`
	Candidate string  `json:"candidate"`
	By        float64 `json:"by,omitempty"`
}

// Log is the end of a container's log.
type Log struct {
	Pod       string `json:"pod"`
	Container string `json:"container"`
	Text      string `json:"text"`
}

// Close counts the checks and settles the outcome.
func (r *Report) Close() {
	r.APIVersion, r.Kind = APIVersion, Kind
	r.Passed, r.Failed, r.Skipped, r.Flakes = 0, 0, 0, 0
	failed := map[Stage]bool{}
	for i := range r.Checks {
		c := &r.Checks[i]
		r.Flakes += len(c.Flakes)
		switch c.Outcome {
		case Passed:
			r.Passed++
		case Skipped:
			r.Skipped++
		default:
			r.Failed++
			failed[c.Outcome] = true
		}
	}
	r.Outcome = Passed
	for _, stage := range Stages() {
		if failed[stage] {
			r.Outcome = stage
			return
		}
	}
}

// Settle sets a check's outcome to the first stage of its findings.
func (c *Check) Settle() {
	c.Outcome = Passed
	for _, stage := range Stages() {
		for _, f := range c.Findings {
			if f.Stage == stage {
				c.Outcome = stage
				return
			}
		}
	}
}
