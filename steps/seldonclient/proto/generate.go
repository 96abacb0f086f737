// Package proto holds the protocols' definitions. Generating needs protoc, of
// Debian's protobuf-compiler.
package proto

//go:generate go build -o ../../../bin/ google.golang.org/protobuf/cmd/protoc-gen-go
//go:generate env GOBIN=$PWD/../../../bin go install google.golang.org/grpc/cmd/protoc-gen-go-grpc@v1.6.2
//go:generate env PATH=../../../bin:$PATH protoc --go_out=../../.. --go_opt=module=github.com/model-delivery/model-delivery --go-grpc_out=../../.. --go-grpc_opt=module=github.com/model-delivery/model-delivery tensor.proto prediction.proto inference.proto
