package seldonclient

import (
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/model-delivery/model-delivery/steps/seldonclient/seldonpb"
)

// Seldon's services. Gateways and executors serve the first; a wrapper without one
// of them serves the second alone, whose Predict and SendFeedback are the same.
const (
	serviceSeldon = "/seldon.protos.Seldon/"
	serviceModel  = "/seldon.protos.Model/"
)

// What is known of a server's services.
const (
	unknownService int32 = iota
	hasSeldon
	hasModel
)

// serve makes a call by the name of the service that the server has. Where it has
// not Seldon's, a model's own is tried, once for each client.
func (c *grpcClient) serve(name string, call func(name string) error) error {
	other, ok := modelMethod(name)
	if !ok {
		return call(name)
	}
	known := c.service.Load()
	if known == hasModel {
		return call(other)
	}
	err := call(name)
	if known == hasSeldon || status.Code(err) != codes.Unimplemented {
		if err == nil {
			c.service.CompareAndSwap(unknownService, hasSeldon)
		}
		return err
	}
	again := call(other)
	switch status.Code(again) {
	case codes.Unimplemented:
		c.service.CompareAndSwap(unknownService, hasSeldon) // there is no use in trying on
		return err
	case codes.OK, codes.InvalidArgument, codes.Internal, codes.Unknown:
		c.service.Store(hasModel)
	}
	return again
}

// modelMethod is the method of a model's own service that is the same as one of
// Seldon's.
func modelMethod(name string) (string, bool) {
	switch name {
	case seldonpb.Seldon_Predict_FullMethodName, seldonpb.Seldon_SendFeedback_FullMethodName:
		return serviceModel + strings.TrimPrefix(name, serviceSeldon), true
	}
	return "", false
}

// Service is which of Seldon's services answers over gRPC, as far as is known.
func (c *Client) Service() string {
	service := serviceSeldon
	if c.grpc != nil && c.grpc.service.Load() == hasModel {
		service = serviceModel
	}
	return strings.Trim(service, "/")
}
