package predict

import (
	"cmp"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"unicode"

	"github.com/model-delivery/model-delivery/steps/predict/checks"
	"github.com/model-delivery/model-delivery/steps/seldonclient"
)

// maxReplay bounds the body that a replay command carries.
const maxReplay = 8 << 10

// replay is a command that asks the same as a check does. Secrets are shell
// variables in it, never themselves.
func (s *session) replay(c *checks.Check, q *checks.Request) string {
	key := s.speaks(c)
	o := s.optionsFor(key)
	call, err := s.callOf(c, q)
	if err != nil {
		return ""
	}
	if key.transport == seldonclient.GRPC {
		service := "seldon.protos.Seldon"
		if client, err := s.client(c); err == nil {
			service = client.Service()
		}
		return s.options.Secrets(s.replayGRPC(o, call, service))
	}
	text, err := o.Target.URL(key.protocol, call.Method)
	if err != nil {
		return ""
	}
	at, err := url.Parse(text)
	if err != nil {
		return ""
	}
	var body []byte
	var describing http.Header
	switch call.Method {
	case seldonclient.Live, seldonclient.Ready, seldonclient.Metadata, seldonclient.ServerMetadata:
	default:
		if body, describing, err = seldonclient.SentREST(key.protocol, call); err != nil {
			return ""
		}
	}
	headers := layered(o.Headers, describing, call.Headers)
	args := append([]string{"curl", "-sS"}, tlsArgs(o, at)...)
	args = append(args, authArgs(o.Auth, headers)...)
	args = append(args, headerArgs(headers)...)
	note := ""
	switch {
	case describing == nil: // a call without a body
	case len(body) <= maxReplay && isText(body):
		args = append(args, "--data-raw", quote(string(body)))
	default:
		var path string
		path, note = s.bodyFile(body)
		args = append(args, "--data-binary", quote("@"+path))
	}
	return s.options.Secrets(strings.Join(append(args, quote(at.String())), " ") + note)
}

// bodyFile is the file that holds a body which no command line carries. The note
// says why there is none of that name.
func (s *session) bodyFile(body []byte) (path, note string) {
	path, err := s.options.requests.keep(body)
	if err == nil {
		return path, ""
	}
	path = "request.json"
	if !isText(body) {
		path = "request.bin"
	}
	return path, fmt.Sprintf(" # %s stands for the body, of %d bytes; %s", path, len(body), shorten(err.Error(), 200))
}

// layered are headers of which the later take the place of the earlier.
func layered(all ...http.Header) http.Header {
	out := http.Header{}
	for _, headers := range all {
		for name, values := range headers {
			out[http.CanonicalHeaderKey(name)] = values
		}
	}
	return out
}

// tlsArgs say whom curl trusts, who it is, and which host it asks for. The address
// gets the name that the server's certificate is for.
func tlsArgs(o seldonclient.Options, at *url.URL) []string {
	var args []string
	host := o.Host
	if o.TLS != nil {
		switch {
		case o.TLS.InsecureSkipVerify:
			args = append(args, "-k")
		case o.TLS.RootCAs != nil:
			args = append(args, "--cacert", `"$CA_FILE"`)
		}
		if len(o.TLS.Certificates) > 0 {
			args = append(args, "--cert", `"$CLIENT_CERT_FILE"`, "--key", `"$CLIENT_KEY_FILE"`)
		}
		if name := o.TLS.ServerName; name != "" && name != at.Hostname() && at.Scheme == "https" {
			port := cmp.Or(at.Port(), "443")
			args = append(args, "--connect-to", quote(net.JoinHostPort(name, port)+":"+net.JoinHostPort(at.Hostname(), port)))
			host = cmp.Or(host, at.Host)
			at.Host = net.JoinHostPort(name, port)
		}
	}
	if host != "" {
		args = append(args, "-H", quote("Host: "+host))
	}
	return args
}

// authArgs send credentials, where no header takes their place.
func authArgs(a seldonclient.Auth, headers http.Header) []string {
	var out []string
	switch {
	case headers.Get("Authorization") != "":
	case a.BearerToken != "":
		out = append(out, "-H", `"Authorization: Bearer $TOKEN"`)
	case a.User != "" || a.Password != "":
		out = append(out, "-u", `"$USER_AND_PASSWORD"`)
	}
	if a.SeldonToken != "" && headers.Get("X-Auth-Token") == "" {
		out = append(out, "-H", `"X-Auth-Token: $TOKEN"`)
	}
	return out
}

func headerArgs(headers http.Header) []string {
	var out []string
	for _, name := range slices.Sorted(maps.Keys(headers)) {
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
