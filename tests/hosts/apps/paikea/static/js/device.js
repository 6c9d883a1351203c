class Device {
    connect () {
        let ws_addr = '';

        if ( window.location.host.indexOf('localhost') == 0 ) {
            ws_addr = 'ws://localhost:7770/' + this.iam;
        } else {
            ws_addr = 'wss://fqdn:port:7778/' + this.iam;
        }
        this.socket = new WebSocket( ws_addr );
    }
}
