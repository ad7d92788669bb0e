// VGG-11 with a quarter of the channels (lecture notes 1.8; CN6): blocks of 3 x 3 convolutions, each followed by a
// pool, at 224 x 224.
#include "examples/lesson.h"

int main(int argc, char** argv) {
  return weft::examples::teach(
      {.about = "VGG-11 with a quarter of the channels on Fashion-MNIST at 224 x 224; minutes an epoch on a CPU",
       .model = "vgg11_d2l_quarter",
       .training = {.lr = 0.05, .batch = 128, .image_size = 224},
       .parameters = 43093322,
       .accuracy = 0.9},
      argc, argv);
}
