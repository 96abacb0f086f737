package predict

import (
	"strings"

	"github.com/model-delivery/model-delivery/steps/seldonclient"
)

// protoDir is where this repository has the protocols' definitions. Most models
// serve no reflection, which would tell them too.
const protoDir = "steps/seldonclient/proto"

// replayGRPC asks with grpcurl, in a clone of this repository. service is the one
// that the model was found to have.
func (s *session) replayGRPC(o seldonclient.Options, call seldonclient.Call, service string) string {
	method, body, err := seldonclient.SentGRPC(o, call)
	if err != nil {
		return ""
	}
	host, secure, err := o.Target.HostPort()
	if err != nil {
		return ""
	}
	if _, name, found := strings.Cut(method, "/"); found && o.Protocol == seldonclient.Seldon {
		method = service + "/" + name
	}
	definition := "prediction.proto"
	if o.Protocol == seldonclient.V2 {
		definition = "inference.proto"
	}
	args := append([]string{"grpcurl"}, grpcTLSArgs(o, secure || o.TLS != nil)...)
	args = append(args, "-import-path", protoDir, "-proto", definition)
	if o.Target.Gateway != seldonclient.NoGateway && o.Target.Gateway != "" {
		args = append(args, "-H", quote("seldon: "+o.Target.Deployment), "-H", quote("namespace: "+o.Target.Namespace))
	}
	headers := layered(o.Headers, call.Headers)
	for _, arg := range authArgs(o.Auth, headers) {
		if strings.Contains(arg, "USER_AND_PASSWORD") {
			arg = `"Authorization: Basic $BASIC"`
		}
		if arg == "-u" {
			arg = "-H"
		}
		args = append(args, arg)
	}
	args = append(args, headerArgs(headers)...)
	input := ""
	if len(body) <= maxReplay {
		args = append(args, "-d", quote(string(body)))
	} else {
		path, note := s.bodyFile(body)
		args = append(args, "-d", "@")
		input = " < " + quote(path) + note
	}
	return strings.Join(append(args, quote(host), method), " ") + input
}

// grpcTLSArgs say whom grpcurl trusts, who it is, and which name it asks for.
func grpcTLSArgs(o seldonclient.Options, secure bool) []string {
	var args []string
	switch {
	case !secure:
		args = append(args, "-plaintext")
	case o.TLS == nil:
	case o.TLS.InsecureSkipVerify:
		args = append(args, "-insecure")
	case o.TLS.RootCAs != nil:
		args = append(args, "-cacert", `"$CA_FILE"`)
	}
	if o.TLS != nil && len(o.TLS.Certificates) > 0 {
		args = append(args, "-cert", `"$CLIENT_CERT_FILE"`, "-key", `"$CLIENT_KEY_FILE"`)
	}
	switch {
	// One of both only: the authority is a name that is verified, too.
	case o.TLS != nil && o.TLS.ServerName != "":
		args = append(args, "-servername", quote(o.TLS.ServerName))
	case o.Host != "":
		args = append(args, "-authority", quote(o.Host))
	}
	return args
}
