package modeltest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
)

type object = map[string]any

func reply(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(v)
}

// seldon answers a prediction over REST.
func (s *Server) seldon(w http.ResponseWriter, body []byte) {
	out, err := s.predict(body)
	if err != nil {
		reply(w, http.StatusBadRequest, object{"status": object{"status": 1, "code": 400, "info": err.Error(), "reason": "MICROSERVICE_BAD_DATA"}})
		return
	}
	reply(w, http.StatusOK, out)
}

// predict answers Seldon's message in its JSON form.
func (s *Server) predict(body []byte) (object, error) {
	var in struct {
		Data *struct {
			Names   []string `json:"names"`
			Ndarray []any    `json:"ndarray"`
			Tensor  *struct {
				Shape  []int `json:"shape"`
				Values []any `json:"values"`
			} `json:"tensor"`
		} `json:"data"`
		StrData  *string         `json:"strData"`
		BinData  *string         `json:"binData"`
		JSONData json.RawMessage `json:"jsonData"`
	}
	if err := json.Unmarshal(body, &in); err != nil {
		return nil, fmt.Errorf("the request is not JSON: %w", err)
	}
	out := object{"meta": s.options.Meta}
	if s.options.Meta == nil {
		out["meta"] = object{}
	}
	data := object{}
	if len(s.options.Names) > 0 {
		data["names"] = s.options.Names
	}
	switch {
	case in.StrData != nil:
		answer, err := s.options.Model([]any{*in.StrData})
		if err != nil {
			return nil, err
		}
		out["strData"] = fmt.Sprint(answer[0])
	case in.BinData != nil:
		out["binData"] = *in.BinData
	case in.JSONData != nil:
		out["jsonData"] = in.JSONData
	case in.Data == nil:
		return nil, fmt.Errorf("there is no payload")
	case in.Data.Tensor != nil:
		rows, err := split(in.Data.Tensor.Values, in.Data.Tensor.Shape)
		if err != nil {
			return nil, err
		}
		answer, err := s.options.Model(rows)
		if err != nil {
			return nil, err
		}
		flat, shape := flatten(answer)
		data["tensor"] = object{"shape": shape, "values": flat}
		out["data"] = data
	default:
		answer, err := s.options.Model(in.Data.Ndarray)
		if err != nil {
			return nil, err
		}
		data["ndarray"] = answer
		out["data"] = data
	}
	return out, nil
}

// split makes rows of a tensor.
func split(values []any, shape []int) ([]any, error) {
	rows := 1
	if len(shape) > 0 {
		rows = shape[0]
	}
	if rows <= 0 || len(values)%rows != 0 {
		return nil, fmt.Errorf("%d values do not make shape %v", len(values), shape)
	}
	width := len(values) / rows
	out := make([]any, rows)
	for i := range out {
		if out[i] = any(values[i*width : (i+1)*width]); len(shape) == 1 {
			out[i] = values[i]
		}
	}
	return out, nil
}

// flatten makes a tensor of rows.
func flatten(rows []any) (flat []any, shape []int) {
	shape = []int{len(rows)}
	for i, row := range rows {
		list, nested := row.([]any)
		if !nested {
			flat = append(flat, row)
			continue
		}
		if i == 0 {
			shape = append(shape, len(list))
		}
		flat = append(flat, list...)
	}
	return flat, shape
}

// tensorflow answers over TensorFlow's REST protocol.
func (s *Server) tensorflow(w http.ResponseWriter, path string, body []byte) {
	name, _ := strings.CutSuffix(strings.TrimPrefix(path, "/v1/models/"), ":predict")
	if name, _, _ = strings.Cut(name, "/"); name != s.options.Name {
		reply(w, http.StatusNotFound, object{"error": "Servable not found for request: Latest(" + name + ")"})
		return
	}
	if !strings.HasSuffix(path, ":predict") {
		reply(w, 200, object{"model_version_status": []any{object{"version": "1", "state": "AVAILABLE"}}})
		return
	}
	var in struct {
		Instances []any `json:"instances"`
	}
	if err := json.Unmarshal(body, &in); err != nil {
		reply(w, http.StatusBadRequest, object{"error": "JSON Parse error: " + err.Error()})
		return
	}
	answer, err := s.options.Model(in.Instances)
	if err != nil {
		reply(w, http.StatusBadRequest, object{"error": err.Error()})
		return
	}
	reply(w, 200, object{"predictions": answer})
}
