// A motor controller for `driver = "serial"`, 115200 bits a second. Fill in drive(); everything else is done.
//
// A line is "M <left> <right>*<sum>\n", for instance "M 250 -1000*56": whole numbers, -1000 to 1000 (with ackermann mixing: drive and
// steering); the sum is the exclusive or of all bytes before the '*', as two hexadecimal digits. A line whose sum is wrong is ignored.
// When no good line comes for 300 ms, the motors stop: this watchdog is the only one that works when the computer does not.

const unsigned long SILENCE_MS = 300;

char line[24];
byte length = 0;
unsigned long heard = 0;

void drive(int left, int right) {
  // your motor driver, -1000 to 1000
}

void obey() {
  char *star = strchr(line, '*');
  if (line[0] != 'M' || !star) return;
  byte sum = 0;
  for (char *at = line; at < star; at++) sum ^= *at;
  if (strtol(star + 1, 0, 16) != sum) return;
  char *rest;
  int left = strtol(line + 1, &rest, 10);
  int right = strtol(rest, 0, 10);
  drive(left, right);
  heard = millis();
}

void setup() {
  Serial.begin(115200);
  drive(0, 0);
}

void loop() {
  if (millis() - heard > SILENCE_MS) drive(0, 0);
  if (!Serial.available()) return;
  char c = Serial.read();
  if (c == '\n') {
    line[length] = 0;
    obey();
    length = 0;
  } else if (length < sizeof line - 1) {
    line[length++] = c;
  }
}
