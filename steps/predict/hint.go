package predict

import (
	"errors"
	"net/http"
	"strings"

	"github.com/model-delivery/model-delivery/steps/predict/report"
	"github.com/model-delivery/model-delivery/steps/seldonclient"
)

// Hints of what to try next.
const (
	hintReady    = "is the endpoint right and the model up? --ready-timeout is how long it is waited for"
	hintSlow     = "connections are taken, so the model is up but slow: timeout, of the check or of the defaults, is how long an answer may take"
	hintPath     = "something answers there: are --gateway, --namespace and --deployment right, or --prefix, --path and --model?"
	hintLoad     = "under load connections are closed or answers do not come: is there a limit in between, or too little of the model?"
	hintRedirect = "if it is the model's, give the address that is redirected to as --endpoint"
	hintTooLarge = "--max-response is how large an answer may be"
	hintPlain    = "the server speaks plain HTTP there: give the endpoint with http://, or the port that speaks TLS"
	hintTLS      = "--ca-file is what the server's certificate has to be signed by, --server-name what it has to be for"
)

// hintOf is what to try where no whole answer came.
func hintOf(err error) string {
	e, ok := errors.AsType[*seldonclient.TransportError](err)
	if !ok {
		return ""
	}
	switch e.Kind {
	case seldonclient.KindTimeout:
		if !e.Unconnected {
			return hintSlow
		}
	case seldonclient.KindRedirect:
		return hintRedirect
	case seldonclient.KindTooLarge:
		return hintTooLarge
	case seldonclient.KindTLS:
		if errors.Is(err, http.ErrSchemeMismatch) || strings.Contains(err.Error(), "first record does not look like a TLS handshake") {
			return hintPlain
		}
		return hintTLS
	}
	return hintReady
}

// hintFor is the hint of the first finding that has one.
func hintFor(r *report.Report) string {
	for i := range r.Checks {
		for _, f := range r.Checks[i].Findings {
			if f.Hint != "" {
				return f.Hint
			}
		}
	}
	return hintReady
}

// waitError says what came last while a model was waited for.
type waitError struct{ what, hint string }

func (e *waitError) Error() string { return e.what }

// notReadyFinding is the finding that nothing was asked.
func notReadyFinding(err error) report.Finding {
	f := report.Finding{Stage: report.NotReady, Message: err.Error()}
	if e, ok := errors.AsType[*waitError](err); ok {
		f.Hint = e.hint
	}
	return f
}
