/*
 * sd_notify(3) without the library: a datagram to $NOTIFY_SOCKET.
 */
#ifndef SERVER_NOTIFY_H
#define SERVER_NOTIFY_H

/* "READY=1", "STOPPING=1". Nothing happens without a service manager. */
void notify_send(const char *state);

#endif
