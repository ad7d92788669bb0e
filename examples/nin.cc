// NiN (lecture notes 1.8; CN9): 1 x 1 convolutions after each convolution, and a mean over the image instead of
// linear layers.
#include "examples/lesson.h"

int main(int argc, char** argv) {
  return weft::examples::teach({.about = "NiN on Fashion-MNIST at 224 x 224; minutes an epoch on a CPU",
                                .model = "nin_d2l",
                                .training = {.lr = 0.1, .batch = 128, .image_size = 224},
                                .parameters = 1992166,
                                .accuracy = 0.75},
                               argc, argv);
}
