// Command cmd is the gateway in a pod.
package main

import (
	"context"
	"flag"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"syscall"

	"github.com/model-delivery/model-delivery/test/platform/gateway"
)

func main() {
	listen := flag.String("listen", ":8080", "address to serve HTTP/1.1 and HTTP/2 without TLS on")
	flag.Parse()
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := serve(ctx, *listen, log); err != nil {
		log.Error("the gateway failed", "error", err)
		os.Exit(1)
	}
}

func serve(ctx context.Context, address string, log *slog.Logger) error {
	services, err := gateway.InCluster()
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	return gateway.Run(ctx, listener, services, log)
}
