#include "models/vgg.h"

#include "nn/nn.h"

namespace weft::models {

nn::Sequential vgg(const std::vector<VGGBlock>& blocks, const ModelOptions& o) {
  nn::Sequential features;
  std::int64_t in = o.in_channels;
  for (const auto& [convolutions, channels] : blocks) {
    for (int i = 0; i < convolutions; ++i, in = channels)
      features.add(nn::Conv2d({.in = in, .out = channels, .kernel = 3, .padding = 1})).add(nn::ReLU());
    features.add(nn::MaxPool2d({.kernel = 2}));
  }
  nn::Sequential net(nn::named("format", nn::ToMemoryFormat(o.memory_format)),
                     nn::named("features", std::move(features)), nn::named("flatten", nn::Flatten()));
  const double p = o.dropout[0];
  nn::Sequential classifier(nn::Linear({.in = features_of(net, o), .out = 4096}), nn::ReLU(), nn::Dropout(p),
                            nn::Linear({.in = 4096, .out = 4096}), nn::ReLU(), nn::Dropout(p),
                            nn::Linear({.in = 4096, .out = o.classes}));
  net.add(nn::named("classifier", std::move(classifier)));
  return net;
}

namespace {

struct Named {
  const char* name;
  const char* description;
  std::vector<VGGBlock> blocks;
  std::int64_t parameters, macs;
};

const Named kLecture[] = {
    {"vgg11_d2l", "VGG-11", {{1, 64}, {1, 128}, {2, 256}, {2, 512}, {2, 512}}, 128'806'154, 7'547'232'256},
    {"vgg11_d2l_quarter",
     "VGG-11 with a quarter of the channels",
     {{1, 16}, {1, 32}, {2, 64}, {2, 128}, {2, 128}},
     43'093'322,
     512'155'648},
    {"vgg16_d2l", "VGG-16", {{2, 64}, {2, 128}, {3, 256}, {3, 512}, {3, 512}}, 134'300'362, 15'408'406'528},
    {"vgg19_d2l", "VGG-19", {{2, 64}, {2, 128}, {4, 256}, {4, 512}, {4, 512}}, 139'610'058, 19'570'204'672},
};

const bool registered = [] {
  for (const auto& [name, description, blocks, parameters, macs] : kLecture)
    add_model({
        .name = name,
        .description = message(description, " of the lecture notes, for Fashion-MNIST at 224 x 224"),
        .reference = "Simonyan and Zisserman 2014",
        .defaults = {.in_channels = 1, .image_size = 224, .classes = 10, .dropout = {0.5}, .init = "book-ch6"},
        .build = [blocks](const ModelOptions& o) { return vgg(blocks, o); },
        .parameters = parameters,
        .macs = macs,
    });
  return true;
}();

}  // namespace
}  // namespace weft::models
