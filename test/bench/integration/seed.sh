#!/bin/bash
# The integration stage of the Jenkins pipeline, one thing after the other. It
# tells the end of each phase in a line of its own.
set -u
phase() { echo "[$1] done"; }
stop() { echo "FAILED: $1"; exit 1; }

WAIT_N=0
while true; do
    # docker ps -q should only work if the daemon is ready
    docker ps -q > /dev/null 2>&1 && break
    if [[ ${WAIT_N} -lt 5 ]]; then
        WAIT_N=$((WAIT_N+1))
        echo "[SETUP] Waiting for Docker to be ready, sleeping for ${WAIT_N} seconds ..."
        sleep ${WAIT_N}
    else
        echo "[SETUP] Reached maximum attempts, not waiting any longer ..."
        break
    fi
done
phase docker

kind create cluster --name "$CLUSTER" --config "$MODEL_DIR/integration/kind_config.yaml" --image "$NODE_IMAGE" --wait 5m || stop kind
for node in $(kind get nodes --name "$CLUSTER"); do
    docker exec "$node" mkdir -p "/etc/containerd/certs.d/$REGISTRY"
    echo "[host.\"http://$REGISTRY\"]" | docker exec -i "$node" cp /dev/stdin "/etc/containerd/certs.d/$REGISTRY/hosts.toml"
done
phase cluster

helm upgrade --install seldon-core "oci://$REGISTRY/charts/seldon-core-operator" --plain-http --namespace seldon-system --create-namespace \
    --set usageMetrics.enabled=false --set istio.enabled=false --set ambassador.enabled=true --set ambassador.version=v1 || stop seldon
kubectl --namespace seldon-system rollout status deployment --timeout 5m || stop seldon
helm upgrade --install ambassador "oci://$REGISTRY/charts/gateway" --plain-http --namespace gateway --create-namespace \
    --set service.type=NodePort --set 'service.ports[0].name=http' --set 'service.ports[0].port=80' \
    --set 'service.ports[0].targetPort=8080' --set 'service.ports[0].nodePort=30088' || stop gateway
kubectl --namespace gateway rollout status deployment --timeout 5m || stop gateway
phase setup

make -C "$MODEL_DIR" build IMAGE="$IMAGE" BASE_IMAGE="$BASE_IMAGE" || stop build
phase build

kind load docker-image --name "$CLUSTER" "$IMAGE" || stop load
phase load

sed "s|image: news-classifier:dev|image: $IMAGE|" "$MODEL_DIR"/charts/*.yaml | kubectl apply -f - || stop deploy
until DEPLOYMENT=$(kubectl get deployment -l seldon-deployment-id -o name) && [ -n "$DEPLOYMENT" ]; do sleep 1; done
kubectl rollout status "$DEPLOYMENT" --timeout 5m || stop deploy
phase deploy

# Nothing here waits for the gateway's route, so the tests may have to be run
# again: a name that was asked for too early is remembered for 30 seconds.
make -C "$MODEL_DIR" install_integration_dev || stop test
TEST_N=0
until make -C "$MODEL_DIR" test_integration; do
    TEST_N=$((TEST_N+1))
    [[ ${TEST_N} -lt 40 ]] || stop test
    sleep 1
done
phase test

kind delete cluster --name "$CLUSTER" || stop delete
phase delete
