package predict

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/model-delivery/model-delivery/steps/predict/checks"
	"github.com/model-delivery/model-delivery/steps/seldonclient"
	"github.com/model-delivery/model-delivery/steps/seldonclient/value"
)

// maxReplay bounds the body that a replay command carries.
const maxReplay = 8 << 10

// replay is a command that asks the same as a check does. Secrets are shell
// variables in it, never themselves.
func (s *session) replay(c *checks.Check, q *checks.Request) string {
	key := s.speaks(c)
	o := s.optionsFor(key)
	call := s.callOf(c, q)
	body := call.Raw
	if body == nil && call.Body != nil {
		body = value.Append(nil, call.Body)
	}
	headers := o.Headers.Clone()
	if headers == nil {
		headers = http.Header{}
	}
	for name, values := range call.Headers {
		headers[name] = values
	}
	if key.transport == seldonclient.GRPC {
		return s.options.Secrets(replayGRPC(o, call, headers, body))
	}
	url, err := o.Target.URL(key.protocol, call.Method)
	if err != nil {
		return ""
	}
	args := []string{"curl", "-sS"}
	if o.TLS != nil && o.TLS.InsecureSkipVerify {
		args = append(args, "-k")
	} else if o.TLS != nil && o.TLS.RootCAs != nil {
		args = append(args, "--cacert", `"$CA_FILE"`)
	}
	if o.TLS != nil && len(o.TLS.Certificates) > 0 {
		args = append(args, "--cert", `"$CLIENT_CERT_FILE"`, "--key", `"$CLIENT_KEY_FILE"`)
	}
	if o.Host != "" {
		args = append(args, "-H", quote("Host: "+o.Host))
	}
	args = append(args, authArgs(o.Auth)...)
	if body != nil {
		contentType := call.ContentType
		if contentType == "" {
			contentType = "application/json"
		}
		args = append(args, "-H", quote("Content-Type: "+contentType))
	}
	args = append(args, headerArgs(headers)...)
	switch {
	case body == nil:
	case call.Binary || !utf8.Valid(body) || slices.Contains(body, 0):
		args = append(args, "--data-binary", "@request.bin")
	case len(body) > maxReplay:
		args = append(args, "--data-binary", "@request.json")
	default:
		args = append(args, "--data-raw", quote(string(body)))
	}
	return s.options.Secrets(strings.Join(append(args, quote(url)), " "))
}

func authArgs(a seldonclient.Auth) []string {
	var out []string
	switch {
	case a.BearerToken != "":
		out = append(out, "-H", `"Authorization: Bearer $TOKEN"`)
	case a.User != "" || a.Password != "":
		out = append(out, "-u", `"$USER_AND_PASSWORD"`)
	}
	if a.SeldonToken != "" {
		out = append(out, "-H", `"X-Auth-Token: $TOKEN"`)
	}
	return out
}

func headerArgs(headers http.Header) []string {
	var names []string
	for name := range headers {
		names = append(names, name)
	}
	slices.Sort(names)
	var out []string
	for _, name := range names {
		for _, v := range headers[name] {
			arg := quote(name + ": " + v)
			if checks.SecretHeader(name) {
				arg = quote(name+": ") + `"$` + variable(name) + `"`
			}
			out = append(out, "-H", arg)
		}
	}
	return out
}

// replayGRPC asks with grpcurl, which needs no more than the server's reflection
// or the protocol's file.
func replayGRPC(o seldonclient.Options, call seldonclient.Call, headers http.Header, body []byte) string {
	service := "seldon.protos.Seldon/Predict"
	if call.Method == seldonclient.Feedback {
		service = "seldon.protos.Seldon/SendFeedback"
	}
	if o.Protocol == seldonclient.V2 {
		service = "inference.GRPCInferenceService/ModelInfer"
		if object, ok := call.Body.(map[string]any); ok {
			named := map[string]any{"model_name": o.Target.Model}
			for key, v := range object {
				named[key] = v
			}
			body = value.Append(nil, named)
		}
	}
	args := []string{"grpcurl"}
	if o.TLS == nil && !strings.HasPrefix(o.Target.Endpoint, "https://") && !strings.HasPrefix(o.Target.Endpoint, "grpcs://") {
		args = append(args, "-plaintext")
	}
	if o.Target.Gateway != seldonclient.NoGateway && o.Target.Gateway != "" {
		args = append(args, "-H", quote("seldon: "+o.Target.Deployment), "-H", quote("namespace: "+o.Target.Namespace))
	}
	for _, arg := range authArgs(o.Auth) {
		if strings.Contains(arg, "USER_AND_PASSWORD") {
			arg = `"Authorization: Basic $BASIC"`
		}
		if arg == "-u" {
			arg = "-H"
		}
		args = append(args, arg)
	}
	args = append(args, headerArgs(headers)...)
	if len(body) > maxReplay {
		args = append(args, "-d", "@")
	} else if body != nil {
		args = append(args, "-d", quote(string(body)))
	}
	_, address, found := strings.Cut(o.Target.Endpoint, "://")
	if !found {
		address = o.Target.Endpoint
	}
	return fmt.Sprintf("%s %s %s", strings.Join(args, " "), quote(address), service)
}

// variable is the shell variable that stands for a secret header.
func variable(name string) string {
	return "HEADER_" + strings.Map(func(r rune) rune {
		if r < unicode.MaxASCII && (unicode.IsLetter(r) || unicode.IsDigit(r)) {
			return unicode.ToUpper(r)
		}
		return '_'
	}, name)
}

// quote makes text one word of a shell.
func quote(text string) string {
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}
