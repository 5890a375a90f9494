// Command gate joins two network namespaces through unix sockets, which belong to none.
// Each argument is LISTEN=TARGET with addresses such as tcp:127.0.0.1:6443 or unix:api.sock.
// The target "connect" makes an HTTP CONNECT proxy: the API server reaches kubelet and pods through it.
package main

import (
	"bufio"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"strings"
	"time"
)

const dialTimeout = 10 * time.Second

func main() {
	for _, pair := range os.Args[1:] {
		listen, target, _ := strings.Cut(pair, "=")
		network, address, _ := strings.Cut(listen, ":")
		if network == "unix" {
			// A socket that a killed gate has left would be "address already in use".
			_ = os.Remove(address)
		}
		listener, err := net.Listen(network, address)
		if err != nil {
			log.Fatal(err)
		}
		go serve(listener, target)
	}
	select {}
}

func serve(listener net.Listener, target string) {
	for {
		client, err := listener.Accept()
		if err != nil {
			log.Fatal(err)
		}
		if target == "connect" {
			go connect(client)
		} else {
			go forward(client, target)
		}
	}
}

func forward(client net.Conn, target string) {
	network, address, _ := strings.Cut(target, ":")
	server, err := net.DialTimeout(network, address, dialTimeout)
	if err != nil {
		reset(client)
		return
	}
	join(client, client, server)
}

func connect(client net.Conn) {
	reader := bufio.NewReader(client)
	request, err := http.ReadRequest(reader)
	if err != nil || request.Method != http.MethodConnect {
		_, _ = io.WriteString(client, "HTTP/1.1 405 Method Not Allowed\r\n\r\n")
		_ = client.Close()
		return
	}
	server, err := net.DialTimeout("tcp", request.Host, dialTimeout)
	if err != nil {
		_, _ = io.WriteString(client, "HTTP/1.1 502 "+strings.ReplaceAll(err.Error(), "\n", " ")+"\r\n\r\n")
		_ = client.Close()
		return
	}
	if _, err = io.WriteString(client, "HTTP/1.1 200 Connection established\r\n\r\n"); err != nil {
		_ = client.Close()
		_ = server.Close()
		return
	}
	join(client, reader, server)
}

// join copies both ways until both sides have ended; what one side ends is ended at the other side too.
func join(client net.Conn, fromClient io.Reader, server net.Conn) {
	done := make(chan struct{})
	go func() {
		_, _ = io.Copy(server, fromClient)
		closeWrite(server)
		close(done)
	}()
	_, err := io.Copy(client, server)
	if err != nil {
		reset(client)
	} else {
		closeWrite(client)
	}
	<-done
	_ = client.Close()
	_ = server.Close()
}

func closeWrite(connection net.Conn) {
	if half, ok := connection.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite()
	}
}

// reset ends a connection as a server that is not there would: by a reset, not by a clean end.
func reset(connection net.Conn) {
	if tcp, ok := connection.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = connection.Close()
}
