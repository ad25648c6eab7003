/* A Modbus server on libmodbus: a peer that shares no line of code with us or with pymodbus.

   libmodbus_server tcp PORT            (PORT 0: a free one)
   libmodbus_server rtu DEVICE BAUD ID

   It says "ready PORT" (or "ready 0"), then obeys lines on stdin and answers "ok" to each:
     h|i|c|d ADDRESS VALUE...    put words (holding, input) or bits (coil, discrete) from ADDRESS on
     refuse ADDRESS CODE         requests that touch ADDRESS get this exception; CODE 0 takes it back
     silent 0|1                  take requests, answer none
     drop                        hang up on everybody
     log                         says "log FC=COUNT ..." before the ok: how often each function code came
   It ends with its stdin. Each table has addresses 0 to 999; beyond them libmodbus itself refuses with code 2. */

#include <errno.h>
#include <modbus.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <netinet/in.h>
#include <unistd.h>

enum { SIZE = 1000 };
static modbus_mapping_t *memory;
static int refused[SIZE];
static int silent;
static unsigned long seen[256];
static fd_set open_fds;

static int number(char **text, long *value)
{
    char *end;
    *value = strtol(*text, &end, 0);
    if (end == *text)
        return 0;
    *text = end;
    return 1;
}

static int put(char table, char *rest)
{
    long at, value;
    if (!number(&rest, &at))
        return 0;
    for (; number(&rest, &value); at++) {
        if (at < 0 || at >= SIZE)
            return 0;
        switch (table) {
        case 'h': memory->tab_registers[at] = (uint16_t)value; break;
        case 'i': memory->tab_input_registers[at] = (uint16_t)value; break;
        case 'c': memory->tab_bits[at] = value != 0; break;
        case 'd': memory->tab_input_bits[at] = value != 0; break;
        }
    }
    return 1;
}

static int obey(char *line, int keep_from, int top)
{
    long at, value;
    char *rest;
    if (strchr("hicd", line[0]) && line[1] == ' ')
        return put(line[0], line + 1);
    if (sscanf(line, "refuse %ld %ld", &at, &value) == 2 && at >= 0 && at < SIZE)
        return refused[at] = (int)value, 1;
    if (sscanf(line, "silent %ld", &value) == 1)
        return silent = value != 0, 1;
    rest = line + strcspn(line, "\r\n");
    *rest = 0;
    if (strcmp(line, "drop") == 0) {
        for (int fd = keep_from; fd <= top; fd++)
            if (FD_ISSET(fd, &open_fds)) {
                FD_CLR(fd, &open_fds);
                close(fd);
            }
        return 1;
    }
    if (strcmp(line, "log") == 0) {
        printf("log");
        for (int code = 0; code < 256; code++)
            if (seen[code])
                printf(" %d=%lu", code, seen[code]);
        printf("\n");
        return 1;
    }
    return 0;
}

/* One request of one client; -1 if it hung up. */
static int serve(modbus_t *context)
{
    uint8_t request[MODBUS_MAX_ADU_LENGTH];
    int size = modbus_receive(context, request);
    if (size <= 0)
        return size;
    int header = modbus_get_header_length(context);
    const uint8_t *pdu = request + header;
    int at = pdu[1] << 8 | pdu[2], count = pdu[3] << 8 | pdu[4];
    seen[pdu[0]]++;
    if (silent)
        return size;
    for (int one = at; pdu[0] <= 4 && one < at + count && one < SIZE; one++)
        if (refused[one])
            return modbus_reply_exception(context, request, (unsigned)refused[one]);
    return modbus_reply(context, request, size, memory);
}

int main(int argc, char **argv)
{
    int rtu = argc == 5 && strcmp(argv[1], "rtu") == 0, listening = -1, top, port = 0;
    modbus_t *context;
    char line[4096];

    if (!rtu && !(argc == 3 && strcmp(argv[1], "tcp") == 0)) {
        fprintf(stderr, "usage: libmodbus_server tcp PORT | rtu DEVICE BAUD ID\n");
        return 2;
    }
    memory = modbus_mapping_new(SIZE, SIZE, SIZE, SIZE);
    setvbuf(stdout, NULL, _IOLBF, 0);
    FD_ZERO(&open_fds);
    if (rtu) {
        context = modbus_new_rtu(argv[2], atoi(argv[3]), 'N', 8, 1);
        if (!context || modbus_set_slave(context, atoi(argv[4])) || modbus_connect(context)) {
            fprintf(stderr, "%s: %s\n", argv[2], modbus_strerror(errno));
            return 2;
        }
        top = modbus_get_socket(context);
    } else {
        struct sockaddr_in own;
        socklen_t size = sizeof own;
        context = modbus_new_tcp("127.0.0.1", atoi(argv[2]));
        listening = context ? modbus_tcp_listen(context, 8) : -1;
        if (listening < 0 || getsockname(listening, (struct sockaddr *)&own, &size)) {
            fprintf(stderr, "port %s: %s\n", argv[2], modbus_strerror(errno));
            return 2;
        }
        port = ntohs(own.sin_port);
        top = listening;
    }
    FD_SET(STDIN_FILENO, &open_fds);
    FD_SET(top, &open_fds);
    int first_client = top + 1;
    printf("ready %d\n", port);

    for (;;) {
        fd_set ready = open_fds;
        if (select(top + 1, &ready, NULL, NULL, NULL) < 0)
            return 1;
        for (int fd = 0; fd <= top; fd++) {
            if (!FD_ISSET(fd, &ready) || !FD_ISSET(fd, &open_fds))
                continue;
            if (fd == STDIN_FILENO) {
                if (!fgets(line, sizeof line, stdin))
                    return 0;
                puts(obey(line, rtu ? top + 1 : first_client, top) ? "ok" : "not understood");
            } else if (fd == listening) {
                int client = accept(listening, NULL, NULL);
                if (client >= 0 && client < FD_SETSIZE) {
                    FD_SET(client, &open_fds);
                    top = client > top ? client : top;
                }
            } else {
                modbus_set_socket(context, fd);
                if (serve(context) < 0 && !rtu) {
                    FD_CLR(fd, &open_fds);
                    close(fd);
                }
            }
        }
    }
}
