package seldonclient

import (
	"fmt"
	"net/http"
	"strings"

	"google.golang.org/protobuf/encoding/protojson"
)

// SentREST is what a call that has a body sends as that over REST, and the headers
// that describe it: for those who show how the same is asked by other means.
func SentREST(protocol Protocol, call Call) (body []byte, describing http.Header, err error) {
	p := &prepared{client: &restClient{jsonHeaders: http.Header{"Content-Type": {"application/json"}}}}
	if err := p.setBody(Options{Protocol: protocol}, call); err != nil {
		return nil, nil, err
	}
	return p.body, p.header.Clone(), nil
}

// SentGRPC is the method, as SERVICE/METHOD, that a call is over gRPC, and what is
// sent to it in the JSON form of protobuf.
func SentGRPC(o Options, call Call) (method string, request []byte, err error) {
	c := &grpcClient{options: o}
	find := c.seldonMethod
	if o.Protocol == V2 {
		find = c.v2Method
	}
	m, err := find(call)
	if err != nil {
		return "", nil, err
	}
	if request, err = protojson.Marshal(m.request); err != nil {
		return "", nil, fmt.Errorf("write the request as JSON: %w", err)
	}
	return strings.TrimPrefix(m.name, "/"), request, nil
}
