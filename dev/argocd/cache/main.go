// Command cache is what Argo CD's servers keep their answers in: a Redis server in memory, which forgets all when it ends.
// Usage: cache ADDRESS, such as 127.0.0.1:6379.
package main

import (
	"log"
	"os"
	"time"

	"github.com/alicebob/miniredis/v2"
)

func main() {
	server := miniredis.NewMiniRedis()
	if err := server.StartAddr(os.Args[1]); err != nil {
		log.Fatal(err)
	}
	// Entries get old only as fast as somebody says that time passes.
	for range time.Tick(time.Second) {
		server.FastForward(time.Second)
	}
}
