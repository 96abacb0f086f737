// Command version stands in for a model in tests on a cluster: it answers every
// prediction, over Seldon's REST and gRPC, with the number in VERSION, and says
// which image it is.
package main

import (
	"context"
	"encoding/json"
	"log"
	"net"
	"net/http"
	"os"
	"strconv"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/model-delivery/model-delivery/steps/seldonclient/seldonpb"
)

type model struct {
	seldonpb.UnimplementedSeldonServer
	version     float64
	unit, image string
}

// Predict answers over gRPC.
func (m model) Predict(context.Context, *seldonpb.SeldonMessage) (*seldonpb.SeldonMessage, error) {
	return &seldonpb.SeldonMessage{
		Meta: &seldonpb.Meta{RequestPath: map[string]string{m.unit: m.image}},
		DataOneof: &seldonpb.SeldonMessage_Data{Data: &seldonpb.DefaultData{
			DataOneof: &seldonpb.DefaultData_Ndarray{Ndarray: &structpb.ListValue{Values: []*structpb.Value{structpb.NewNumberValue(m.version)}}},
		}},
	}, nil
}

// ServeHTTP answers over REST.
func (m model) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]any{
		"data": map[string]any{"ndarray": []any{m.version}}, "meta": map[string]any{"requestPath": map[string]any{m.unit: m.image}},
	})
}

func main() {
	version, err := strconv.ParseFloat(os.Getenv("VERSION"), 64)
	if err != nil {
		log.Fatal(err)
	}
	m := model{version: version, unit: os.Getenv("PREDICTIVE_UNIT_ID"), image: os.Getenv("PREDICTIVE_UNIT_IMAGE")}
	listener, err := net.Listen("tcp", ":9500")
	if err != nil {
		log.Fatal(err)
	}
	server := grpc.NewServer()
	seldonpb.RegisterSeldonServer(server, m)
	go func() { log.Fatal(server.Serve(listener)) }()
	log.Printf("version %v is served", version)
	log.Fatal(http.ListenAndServe(":9000", m))
}
