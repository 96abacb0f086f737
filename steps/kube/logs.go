package kube

import (
	"context"
	"io"
	"net/http"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/client-go/rest"
)

// maxLogBytes bounds what is read of one container's log.
const maxLogBytes = 256 << 10

type podLogs struct{ client rest.Interface }

// newLogReader makes a client for the log subresource alone, which the dynamic
// client cannot read: its answer is text and no object.
func newLogReader(config *rest.Config, httpClient *http.Client) (*podLogs, error) {
	config = rest.CopyConfig(config)
	config.APIPath = "/api"
	config.GroupVersion = &schema.GroupVersion{Version: "v1"}
	config.NegotiatedSerializer = serializer.NewCodecFactory(runtime.NewScheme()).WithoutConversion()
	client, err := rest.RESTClientForConfigAndClient(config, httpClient)
	if err != nil {
		return nil, err
	}
	return &podLogs{client: client}, nil
}

// Tail implements [LogReader].
func (p *podLogs) Tail(ctx context.Context, namespace, pod, container string, lines int, previous bool) (string, error) {
	request := p.client.Get().Namespace(namespace).Resource("pods").Name(pod).SubResource("log").
		Param("container", container).Param("tailLines", strconv.Itoa(lines))
	if previous {
		request = request.Param("previous", "true")
	}
	stream, err := request.Stream(ctx)
	if err != nil {
		return "", err
	}
	defer stream.Close()
	text, err := io.ReadAll(io.LimitReader(stream, maxLogBytes))
	return strings.TrimRight(string(text), "\n"), err
}
