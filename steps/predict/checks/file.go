package checks

import (
	"net/http"
	"time"

	"github.com/model-delivery/model-delivery/steps/predict/dataset"
	"github.com/model-delivery/model-delivery/steps/predict/match"
	"github.com/model-delivery/model-delivery/steps/seldonclient"
)

// APIVersion and Kind head every file.
const (
	APIVersion = "model-delivery.dev/v1"
	Kind       = "PredictionChecks"
)

// File is a file of checks.
type File struct {
	Path string
	// Dir is where the files that it names are.
	Dir string
	// Digest is "sha256:" and the hex digest of the file and of those it names.
	Digest   string
	Defaults Defaults
	Checks   []*Check
}

// Defaults hold for every check that does not say otherwise.
type Defaults struct {
	// SaysProtocol tells that the file itself says the protocol.
	SaysProtocol bool

	Protocol  seldonclient.Protocol
	Transport seldonclient.Transport
	Timeout   time.Duration
	Tolerance match.Tolerance
	Model     string // name of the model, for V2 and TensorFlow
	Version   string
	Input     string   // name of the tensor that data becomes in V2
	Datatype  string   // of that tensor; "": that of its values
	Classes   []string // names of the classes, by index
	Headers   http.Header
}

// Check is one check: a request, a dataset, a load, a contract or a comparison.
type Check struct {
	Name      string
	Line      int
	Protocol  seldonclient.Protocol
	Transport seldonclient.Transport
	// SaysProtocol and SaysTransport tell that the check says them by itself,
	// which no flag overrides.
	SaysProtocol, SaysTransport bool

	Timeout   time.Duration
	Method    seldonclient.Method
	Classes   []string
	Tolerance match.Tolerance

	Request  *Request
	Dataset  *Dataset
	Load     *Load
	Contract *Contract
	Compare  *Compare

	Expect    Expect
	HasExpect bool
}

// Kind names what a check does: request, dataset, load, contract or compare.
func (c *Check) Kind() string {
	switch {
	case c.Dataset != nil:
		return "dataset"
	case c.Load != nil:
		return "load"
	case c.Contract != nil:
		return "contract"
	case c.Compare != nil:
		return "compare"
	}
	return "request"
}

// Request is what is sent.
type Request struct {
	// Body is the request in its protocol's JSON form. Nil when only Raw is known.
	Body any
	// Raw is sent as it is; nil: Body is.
	Raw []byte
	// File is where Raw was read from, relative to the checks; "": it stands in them.
	File        string
	ContentType string
	Headers     http.Header
	Binary      bool // V2: tensors travel as binary data
}

// Dataset is a file of labelled rows.
type Dataset struct {
	File    dataset.Options
	Inputs  []string // columns that are sent
	Label   string   // column that holds the right answer
	Batch   int      // rows in one request
	Payload string   // ndarray or tensor
	// Rows sends every row as an array, also where it has one column.
	Rows        bool
	Names       bool // send the columns' names along
	Concurrency int
	Output      string // name of the output that is judged, where there are several
}

// Load is traffic made of one check's request.
type Load struct {
	Check       string
	Request     *Request // instead of Check
	Rate        float64  // requests a second; 0: as many as come through
	Duration    time.Duration
	Requests    int // stop after so many; 0: only by Duration
	Concurrency int
	WarmUp      time.Duration
}

// Contract is a file of Seldon's contract format.
type Contract struct {
	File            string
	Seed            uint64
	Requests, Batch int
	Payload         string // ndarray or tensor
}

// Compare asks this deployment and a baseline the same.
type Compare struct {
	Checks  []string // names of request checks; none: all
	Dataset *Dataset
}

// Range bounds a number; nil: not bounded.
type Range struct{ Min, Max *float64 }

// Holds tells whether v is within the range.
func (r *Range) Holds(v float64) bool {
	if r == nil {
		return true
	}
	return (r.Min == nil || v >= *r.Min) && (r.Max == nil || v <= *r.Max)
}

// Metric bounds a measure of quality.
type Metric struct {
	Range
	// Average is how classes are weighed: macro, weighted or micro.
	Average string
	// Each holds for every class by itself.
	Each *Range
	// Classes holds for the named ones.
	Classes map[string]*Range
}

// Payload is an expected payload.
type Payload struct {
	// Kind is ndarray, tensor, tftensor, strData, binData, jsonData,
	// predictions or outputs.
	Kind    string
	Pattern match.Pattern
	Names   []string // expected data.names; nil: any
}

// Output is an expected output, as V2 writes it.
type Output struct {
	Name, Datatype string
	Shape          []int
	Data           *match.Pattern // against nested arrays, or flat ones
}

// Expect is what has to hold.
type Expect struct {
	Status    *Range // of HTTP; nil: 200 to 299
	Payload   *Payload
	Outputs   []Output
	Tolerance *match.Tolerance
	Names     []string
	Shape     []int // -1: any
	Finite    bool
	Range     *Range   // of every number
	RowSum    *float64 // of every row
	Class     *match.Pattern
	Matches   *match.Pattern // of every string
	Schema    *Schema
	Meta      *match.Pattern
	Version   string        // model version that V2 answers with
	Latency   time.Duration // of a single request; 0: any

	Metrics map[string]*Metric // of a dataset

	Latencies map[string]time.Duration // of a load: p50, p95, …, mean, max
	Errors    *Limit
	Rate      *Range // requests a second

	Agreement  *Range // of a comparison: share of rows answered alike
	Difference *Range // the largest difference between two numbers
	Slowdown   *Range // median latency over the baseline's
}

// Limit is a number of things, or a share of them.
type Limit struct {
	Max   float64
	Share bool // Max is from 0 to 1
}
