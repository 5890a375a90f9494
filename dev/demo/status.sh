#!/usr/bin/env bash
# status.sh RELEASE healthy|failed: what a controller would say of web-shop, said by hand where no pods run.
set -euo pipefail

workload=(deployment/web-shop --namespace=northwind-storefront)
image="localhost/northwind/web-shop:$1"

kubectl wait "${workload[@]}" --for=jsonpath='{.spec.template.spec.containers[0].image}'="$image" --timeout=30s >/dev/null
generation=$(kubectl get "${workload[@]}" --output=jsonpath='{.metadata.generation}')
case "$2" in
  healthy) updated=2 progress='"status": "True", "reason": "NewReplicaSetAvailable"' ;;
  failed) updated=1 progress='"status": "False", "reason": "ProgressDeadlineExceeded", "message": "web-shop has timed out progressing"' ;;
esac
kubectl patch "${workload[@]}" --subresource=status --type=merge --patch "{\"status\": {
  \"observedGeneration\": $generation, \"replicas\": 2, \"updatedReplicas\": $updated, \"readyReplicas\": 2, \"availableReplicas\": 2,
  \"conditions\": [{\"type\": \"Available\", \"status\": \"True\"}, {\"type\": \"Progressing\", $progress}]}}" >/dev/null
# Until its next status the binding shows the rollout of the release before.
kubectl wait mdep/staging.web-shop --namespace=northwind-storefront --for=jsonpath='{.status.release}'="$1" --timeout=30s >/dev/null
