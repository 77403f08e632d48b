// SPDX-License-Identifier: GPL-2.0
/*
 * A second port of the host on the one wire there is.
 *
 *   tapport NAME DEVICE
 *
 * Creates the network device NAME, whose frames go out by DEVICE; of what comes
 * in there, it gets the frames to its own MAC address, which is to be set before
 * traffic.  Prints "ready", and runs until it is killed; the device goes with it.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <arpa/inet.h>
#include <net/if.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>
#include "prog.h"

static int open_tap(const char *name)
{
	struct ifreq ifr = { .ifr_flags = IFF_TAP | IFF_NO_PI };
	int fd = open("/dev/net/tun", O_RDWR);

	if (fd < 0)
		die("/dev/net/tun");
	snprintf(ifr.ifr_name, IFNAMSIZ, "%s", name);
	if (ioctl(fd, TUNSETIFF, &ifr))
		die("TUNSETIFF");
	return fd;
}

static int open_wire(const char *name)
{
	struct sockaddr_ll addr = {
		.sll_family = AF_PACKET,
		.sll_protocol = htons(ETH_P_ALL),
		.sll_ifindex = if_nametoindex(name),
	};
	struct packet_mreq all = {
		.mr_ifindex = addr.sll_ifindex,
		.mr_type = PACKET_MR_PROMISC,
	};
	int fd = socket(AF_PACKET, SOCK_RAW, 0);

	if (fd < 0 || bind(fd, (void *)&addr, sizeof(addr)))
		die(name);
	if (setsockopt(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &all, sizeof(all)))
		die("PACKET_ADD_MEMBERSHIP");
	return fd;
}

static void mac_of(int fd, const char *name, unsigned char *mac)
{
	struct ifreq ifr = { 0 };

	snprintf(ifr.ifr_name, IFNAMSIZ, "%s", name);
	if (ioctl(fd, SIOCGIFHWADDR, &ifr))
		die("SIOCGIFHWADDR");
	memcpy(mac, ifr.ifr_hwaddr.sa_data, ETH_ALEN);
}

int main(int argc, char **argv)
{
	struct pollfd fds[2] = { { .events = POLLIN }, { .events = POLLIN } };
	unsigned char mac[ETH_ALEN];
	char frame[65536];
	ssize_t n;

	if (argc != 3) {
		fprintf(stderr, "usage: tapport NAME DEVICE\n");
		return 2;
	}
	fds[0].fd = open_tap(argv[1]);
	fds[1].fd = open_wire(argv[2]);
	puts("ready");
	fflush(stdout);
	for (;;) {
		if (poll(fds, 2, -1) < 0 && errno != EINTR)
			die("poll");
		if (fds[0].revents & POLLIN) {
			n = read(fds[0].fd, frame, sizeof(frame));
			if (n > 0 && write(fds[1].fd, frame, n) < 0 && errno != ENOBUFS)
				die("write to the wire");
		}
		if (fds[1].revents & POLLIN) {
			n = recv(fds[1].fd, frame, sizeof(frame), 0);
			mac_of(fds[1].fd, argv[1], mac);
			/* EIO: the device is down. */
			if (n > ETH_ALEN && !memcmp(frame, mac, ETH_ALEN) &&
			    write(fds[0].fd, frame, n) < 0 && errno != EIO)
				die("write to the port");
		}
	}
}
