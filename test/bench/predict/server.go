package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"

	"github.com/valyala/fasthttp"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/model-delivery/model-delivery/steps/seldonclient/seldonpb"
)

// answer is what the server says to everything over REST.
const answer = `{"data":{"names":["t:0","t:1"],"ndarray":[[0.25,0.75]]},"meta":{"requestPath":{"classifier":"news:1"}}}`

type model struct {
	seldonpb.UnimplementedSeldonServer
}

// Predict answers as REST does.
func (model) Predict(context.Context, *seldonpb.SeldonMessage) (*seldonpb.SeldonMessage, error) {
	row := structpb.NewListValue(&structpb.ListValue{Values: []*structpb.Value{structpb.NewNumberValue(0.25), structpb.NewNumberValue(0.75)}})
	return &seldonpb.SeldonMessage{DataOneof: &seldonpb.SeldonMessage_Data{Data: &seldonpb.DefaultData{
		Names: []string{"t:0", "t:1"}, DataOneof: &seldonpb.DefaultData_Ndarray{Ndarray: &structpb.ListValue{Values: []*structpb.Value{row}}},
	}}}, nil
}

// serveModel serves until the context ends, and prints where. Over REST it does
// so with a server that costs little, so that the clients are what is measured:
// with few CPUs it takes its share of them from all alike.
func serveModel(ctx context.Context) error {
	rest, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	rpc, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	handler := func(c *fasthttp.RequestCtx) {
		c.SetContentType("application/json")
		if len(c.Request.Header.Peek("X-Rows")) == 0 {
			c.SetBodyString(answer)
			return
		}
		rows := strings.Repeat("1,", bytes.Count(c.Request.Body(), []byte("text")))
		c.SetBodyString(`{"data":{"ndarray":[` + strings.TrimSuffix(rows, ",") + `]},"meta":{}}`)
	}
	go fasthttp.Serve(rest, handler)
	server := grpc.NewServer()
	seldonpb.RegisterSeldonServer(server, model{})
	go server.Serve(rpc)
	fmt.Println(rest.Addr(), rpc.Addr())
	<-ctx.Done()
	return nil
}

// startServer runs this program as the server.
func (b *bench) startServer(ctx context.Context) (stop func(), err error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, self, "-serve")
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	stop = func() { cmd.Process.Signal(os.Interrupt); cmd.Wait() }
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		stop()
		return nil, fmt.Errorf("start the server: %w", err)
	}
	var found bool
	if b.rest, b.grpc, found = strings.Cut(strings.TrimSpace(line), " "); !found {
		stop()
		return nil, fmt.Errorf("the server says %q", line)
	}
	return stop, nil
}
