package forge

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
)

// REST speaks JSON to a forge that has no client of its own worth its weight.
type REST struct {
	Base      string // without a slash at the end
	HTTP      *http.Client
	Authorize func(r *http.Request) // adds the credentials; may be nil
}

// Do sends in as JSON (unless nil) and reads the answer into out (unless nil).
// doing says what for, in errors.
func (c REST) Do(ctx context.Context, doing, method, path string, query url.Values, in, out any) error {
	var body io.Reader
	if in != nil {
		data, err := json.Marshal(in)
		if err != nil {
			return Explain(doing, 0, err)
		}
		body = bytes.NewReader(data)
	}
	target := c.Base + path
	if len(query) > 0 {
		target += "?" + query.Encode()
	}
	r, err := http.NewRequestWithContext(ctx, method, target, body)
	if err != nil {
		return Explain(doing, 0, err)
	}
	r.Header.Set("Accept", "application/json")
	if in != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	if c.Authorize != nil {
		c.Authorize(r)
	}
	response, err := c.HTTP.Do(r)
	if err != nil {
		return Explain(doing, 0, err)
	}
	defer response.Body.Close()
	data, err := io.ReadAll(response.Body)
	if err != nil {
		return Explain(doing, 0, err)
	}
	if response.StatusCode < 200 || response.StatusCode > 299 {
		return Explain(doing, response.StatusCode, errors.New(response.Status+said(data)))
	}
	if strings.HasPrefix(response.Header.Get("Content-Type"), "text/html") {
		// A page to log in by, with a status that says that all is well.
		return Explain(doing, http.StatusUnauthorized, fmt.Errorf("%s, and a web page for an answer", response.Status))
	}
	if out == nil {
		return nil
	}
	if err := json.Unmarshal(data, out); err != nil {
		return Explain(doing, response.StatusCode, fmt.Errorf("reading the answer: %w", err))
	}
	return nil
}

// said picks the words out of an answer that says no.
func said(data []byte) string {
	var answer struct {
		Message string `json:"message"`
		Error   struct {
			Message string `json:"message"`
		} `json:"error"`
		Errors []struct {
			Message string `json:"message"`
		} `json:"errors"`
	}
	if json.Unmarshal(data, &answer) != nil {
		return ""
	}
	words := []string{answer.Message, answer.Error.Message}
	for _, e := range answer.Errors {
		words = append(words, e.Message)
	}
	var out strings.Builder
	for _, word := range words {
		if word != "" {
			out.WriteString(": " + Cut(word, 300))
		}
	}
	return out.String()
}
