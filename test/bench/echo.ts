import { createSocket } from 'node:dgram'

// As bare as it can be: one socket, every datagram goes back with the response bit set.
const socket = createSocket('udp4')
socket.on('message', (message, from) => {
  message[2]! |= 0x80
  socket.send(message, from.port, from.address)
})
socket.bind(0, '127.0.0.1', () => process.stdout.write(`${socket.address().port}\n`))
