using Tessera.Deploy;
using Tessera.Models;
using Tessera.Models.Layers;
using Tessera.Testing;

namespace Tessera.Tests.Deploy;

/// <summary>Compiled networks of one bit run on packed signs.</summary>
public sealed class BinaryModelTests : LiveTensors
{
    private static Bats Network()
    {
        BatsChoice[] cell = [new("sep_conv_3x3", 0), new("dil_conv_5x5", 1), new("skip_connect", 1), new("sep_conv_5x5", 2)];
        var model = new Bats(new((16, 16), new(cell, [2, 3], cell, [2, 3]), Width: 24, Layers: 3));
        model.Eval();
        return model;
    }

    [Theory]
    [InlineData("plain")]
    [InlineData("avx2")]
    [InlineData("avx512")]
    public void A_compiled_network_gives_the_logits_that_it_gave_before(string kernels) => WithKernels.Run(kernels, () =>
        {
            using var scope = Torch.Scope();
            using var mode = Torch.NoGrad();
            Torch.Seed(6);
            var model = Network();
            var images = Torch.Randn([3, 3, 16, 16]);
            var expected = model.Call(images);
            foreach (var packed in new[] { false, true })
            {
                if (packed)
                    Assert.True(model.PackBinaryConvolutions() > 0);
                foreach (var threads in new[] { 1, 2 })
                {
                    using var compiled = model.Compile(new() { Threads = threads });
                    Near.Equal(expected, compiled.Call(images), 1e-5);
                    Near.Equal(expected[..1], compiled.Call(images[..1]), 1e-5);
                    Assert.Equal(
                        model.NamedModules().Count(one => one.Module is BinaryConv2d),
                        compiled.Profile(1).Count(step => step.Operators.Contains("binary_conv2d", StringComparison.Ordinal))
                    );
                }
            }
        });
}
