"""Names and addresses of a node. They exist in its own network namespace alone, so every node may use the same."""

NODE = "node1"
NODE_ADDRESS = "10.89.0.1"
PODS = "10.244.0.0/24"
#: The Service `kubernetes` has the first address of this range.
SERVICES = "10.96.0.0/24"
KUBERNETES_SERVICE = "10.96.0.1"
#: Where pods reach the API server, whichever port it has outside. The chart lets 443 and 6443 through.
API_PORT = 6443
API_SERVER = f"https://{NODE_ADDRESS}:{API_PORT}"
CLUSTER_DOMAIN = "cluster.local"
