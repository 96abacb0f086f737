package modeltest

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"strings"
)

const headerLength = "Inference-Header-Content-Length"

// tensor is an input or output of V2 as JSON has it.
type tensor struct {
	Name       string         `json:"name"`
	Datatype   string         `json:"datatype"`
	Shape      []int          `json:"shape"`
	Parameters map[string]any `json:"parameters,omitempty"`
	Data       []any          `json:"data,omitempty"`
}

// v2 answers over the Open Inference protocol.
func (s *Server) v2(w http.ResponseWriter, r *http.Request, body []byte) {
	name, rest, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/v2/models/"), "/")
	if version, after, ok := strings.Cut(strings.TrimPrefix(rest, "versions/"), "/"); strings.HasPrefix(rest, "versions/") {
		if rest = after; !ok || version != s.options.Version {
			reply(w, http.StatusNotFound, object{"error": "model " + name + " has no version " + version})
			return
		}
	}
	if name != s.options.Name {
		reply(w, http.StatusNotFound, object{"error": "model " + name + " not found"})
		return
	}
	switch rest {
	case "ready":
		reply(w, http.StatusOK, object{"name": name, "ready": true})
	case "":
		reply(w, http.StatusOK, object{
			"name": name, "versions": []any{s.options.Version}, "platform": "go",
			"inputs": []any{tensor{Name: "input-0", Datatype: "FP64", Shape: []int{-1, -1}}}, "outputs": []any{tensor{Name: "output-0", Datatype: "FP64", Shape: []int{-1, -1}}},
		})
	case "infer":
		s.infer(w, r, body)
	default:
		http.NotFound(w, r)
	}
}

func (s *Server) infer(w http.ResponseWriter, r *http.Request, body []byte) {
	var raw []byte
	if text := r.Header.Get(headerLength); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n > len(body) {
			reply(w, http.StatusBadRequest, object{"error": "bad " + headerLength})
			return
		}
		body, raw = body[:n], body[n:]
	}
	var in struct {
		ID     string   `json:"id"`
		Inputs []tensor `json:"inputs"`
	}
	if err := json.Unmarshal(body, &in); err != nil || len(in.Inputs) != 1 {
		reply(w, http.StatusBadRequest, object{"error": fmt.Sprintf("one input is needed, got %d: %v", len(in.Inputs), err)})
		return
	}
	t := in.Inputs[0]
	if _, binary := t.Parameters["binary_data_size"]; binary {
		t.Data = decodeFP64(raw)
	}
	out, err := s.answer(t)
	if err != nil {
		reply(w, http.StatusBadRequest, object{"error": err.Error()})
		return
	}
	answer := object{"model_name": s.options.Name, "model_version": s.options.Version, "id": in.ID}
	if raw == nil {
		answer["outputs"] = []any{out}
		reply(w, http.StatusOK, answer)
		return
	}
	content := encodeFP64(out.Data)
	out.Data, out.Parameters = nil, object{"binary_data_size": len(content)}
	answer["outputs"] = []any{out}
	head, _ := json.Marshal(answer)
	w.Header().Set(headerLength, strconv.Itoa(len(head)))
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Write(append(head, content...))
}

// answer gives one tensor to the model.
func (s *Server) answer(in tensor) (tensor, error) {
	rows, err := split(in.Data, in.Shape)
	if err != nil {
		return tensor{}, err
	}
	answer, err := s.options.Model(rows)
	if err != nil {
		return tensor{}, err
	}
	out := tensor{Name: "output-0", Datatype: "FP64"}
	out.Data, out.Shape = flatten(answer)
	if len(out.Data) > 0 {
		switch out.Data[0].(type) {
		case string:
			out.Datatype = "BYTES"
		case bool:
			out.Datatype = "BOOL"
		}
	}
	return out, nil
}

func decodeFP64(raw []byte) []any {
	var out []any
	for ; len(raw) >= 8; raw = raw[8:] {
		out = append(out, math.Float64frombits(binary.LittleEndian.Uint64(raw)))
	}
	return out
}

func encodeFP64(values []any) []byte {
	var out []byte
	for _, v := range values {
		f, _ := v.(float64)
		out = binary.LittleEndian.AppendUint64(out, math.Float64bits(f))
	}
	return out
}
