package seldonclient_test

import (
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/model-delivery/model-delivery/steps/seldonclient"
	"github.com/model-delivery/model-delivery/steps/seldonclient/modeltest"
	"github.com/model-delivery/model-delivery/steps/seldonclient/value"
)

// TestModelService: a wrapper without Seldon's own service is asked by the model's,
// and once that is known no call is lost on trying.
func TestModelService(t *testing.T) {
	t.Parallel()
	s := modeltest.New(t, modeltest.Options{Wrapper: true})
	c := client(t, s, "seldon", seldonclient.GRPC, nil)
	for i := range 2 {
		a, err := c.Do(t.Context(), seldonclient.Call{Body: decode(t, `{"data":{"ndarray":[[1,2]]}}`)})
		if err != nil || a.Status != 200 {
			t.Fatalf("%+v, error %v", a, err)
		}
		if m, err := a.Message(); err != nil || value.String(m.Value, 0) != "[[3]]" {
			t.Errorf("%+v, error %v", m, err)
		}
		// The interceptor sees calls of services that are there alone.
		if s.Calls() != i+1 || c.Service() != "seldon.protos.Model" {
			t.Errorf("%d calls, service %s", s.Calls(), c.Service())
		}
	}
	if a, err := c.Do(t.Context(), seldonclient.Call{Method: seldonclient.Feedback, Body: decode(t, `{"reward":1}`)}); err != nil || a.Status != 200 {
		t.Errorf("feedback: %+v, error %v", a, err)
	}
}

// TestNeitherService: where both are missing the first one's error is what is
// told, and the second is not tried again.
func TestNeitherService(t *testing.T) {
	t.Parallel()
	var names []string
	s := modeltest.New(t, modeltest.Options{GRPCFault: func(_ int, method string) error {
		names = append(names, method)
		return status.Error(codes.Unimplemented, "Method not found!")
	}})
	c := client(t, s, "seldon", seldonclient.GRPC, nil)
	for range 2 {
		a, err := c.Do(t.Context(), seldonclient.Call{Body: decode(t, `{"data":{"ndarray":[[1,2]]}}`)})
		if err != nil || a.Code != codes.Unimplemented || string(a.Body) != "Method not found!" {
			t.Errorf("%+v, error %v", a, err)
		}
	}
	if len(names) != 2 || c.Service() != "seldon.protos.Seldon" {
		t.Errorf("asked %v", names)
	}
}

// TestErrorThatIsNone: servers that write every field say that there was no error.
func TestErrorThatIsNone(t *testing.T) {
	t.Parallel()
	const outputs = `"outputs":[{"name":"o","datatype":"FP64","shape":[1],"data":[3]}]`
	for body, failed := range map[string]bool{
		`{"error":null,` + outputs + `}`: false, `{"error":"",` + outputs + `}`: false, `{"error":"no"}`: true, `{"error":{"code":1}}`: true, `{"error":[]}`: true,
	} {
		s := modeltest.New(t, modeltest.Options{Fault: modeltest.Text(200, "application/json", body)})
		c := client(t, s, "v2", seldonclient.REST, nil)
		a, err := c.Do(t.Context(), seldonclient.Call{Body: decode(t, `{"inputs":[]}`)})
		if err != nil {
			t.Fatal(err)
		}
		if m, err := a.Message(); err != nil || (m.Failure != nil) != failed {
			t.Errorf("%s: %+v, error %v", body, m, err)
		}
	}
}
