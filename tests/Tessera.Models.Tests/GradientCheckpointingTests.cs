using Tessera.Models;
using Tessera.Testing;

namespace Tessera.Tests.Models;

/// <summary>Blocks that are computed again in the backward pass instead of being kept.</summary>
public sealed class GradientCheckpointingTests : LiveTensors
{
    // Of every form that blocks have: tokens alone, with sizes, masks, biases, orders and policies, maps, with batch statistics.
    // A family of each kind of block.
    public static TheoryData<string, int> Few =>
        new()
        {
            { "vit_tiny_patch16_224", 32 },
            { "cct_2_3x2_32", 32 },
            { "swin_micro_patch2_window4_32", 32 },
            { "pvt_v2_b0", 64 },
            { "xcit_nano_12_p16", 32 },
            { "resnet18", 32 },
        };

    public static TheoryData<string, int> OtherFamilies =>
        new()
        {
            { "deit_tiny_distilled_patch16_224", 32 },
            { "t2t_vit_7", 32 },
            { "lvvit_t", 32 },
            { "dhvt_tiny_cifar_patch4", 32 },
            { "cvt_mini_32", 32 },
            { "cmt_mini_32", 32 },
            { "cswin_micro_32", 32 },
            { "mit_b0", 64 },
            { "hat_net_mini_32", 32 },
            { "sret_t", 224 },
            { "dynamicvit_deit_256_07", 32 },
            { "mixer_s32_224", 64 },
            { "gmlp_ti16_224", 32 },
            { "resmlp_12_224", 32 },
            { "vt_resnet18", 64 },
            { "regnety_002", 32 },
            { "efficientnet_b0", 32 },
            { "nfnet_micro_32", 32 },
            { "pit_ti_224", 32 },
            { "convit_tiny", 32 },
        };

    private static (double Loss, double[][] Gradients, double[][] Buffers, long BackwardMacs) Step(string name, int side, bool recomputes)
    {
        Torch.Seed(1);
        var model = Registry.Create(
            name,
            new()
            {
                ImageSize = (side, side),
                Classes = 5,
                Dropout = 0.1,
                DropPath = 0.2,
            }
        );
        try
        {
            using var scope = new Scope();
            if (recomputes)
                model.SetGradientCheckpointing();
            Torch.Seed(2);
            var images = Torch.Randn([3, model.Channels, side, side]);
            var loss = model.Run(new(images)).Logits.Square().Mean();
            using var count = new OperationCount();
            loss.Backward();
            return (
                loss.ToDouble(),
                [.. model.Parameters().Select(p => p.Grad?.ToArray<double>() ?? [])],
                [.. model.NamedBuffers().Select(b => b.Buffer.ToArray<double>())],
                count.Macs
            );
        }
        finally
        {
            model.ZeroGrad();
            foreach (var tensor in model.Parameters().Cast<Tensor>().Concat(model.NamedBuffers().Select(b => b.Buffer)))
                tensor.Dispose();
        }
    }

    [Theory]
    [Trait("Category", "Long")]
    [MemberData(nameof(OtherFamilies))]
    public void So_are_those_of_all_other_families(string name, int side) =>
        Loss_gradients_and_statistics_are_those_of_the_plain_pass(name, side);

    [Theory]
    [MemberData(nameof(Few))]
    public void Loss_gradients_and_statistics_are_those_of_the_plain_pass(string name, int side)
    {
        var plain = Step(name, side, false);
        var again = Step(name, side, true);
        Assert.Equal(plain.Loss, again.Loss);
        Assert.Equal(plain.Buffers, again.Buffers);
        foreach (var (expected, found) in plain.Gradients.Zip(again.Gradients))
        {
            Assert.Equal(expected.Length, found.Length);
            var scale = expected.Select(Math.Abs).DefaultIfEmpty().Max();
            for (var i = 0; i < expected.Length; i++)
                Assert.True(Math.Abs(expected[i] - found[i]) <= 1e-5 * scale, $"{expected[i]} and {found[i]}");
        }
        // The products of the blocks are there once more.
        Assert.True(again.BackwardMacs > plain.BackwardMacs);
    }

    [Fact]
    public void Peak_memory_falls()
    {
        var (plain, again) = (Peak(false), Peak(true));
        Assert.True(again < plain / 2, $"{again >> 20} MiB with recomputation, {plain >> 20} MiB without");
    }

    // Most memory that a step holds at a time beyond what the process held before.
    private static long Peak(bool recomputes)
    {
        using var scope = new Scope();
        // Narrow and deep: what the blocks hold is many times the weights, and what is kept of each is a small part of that.
        var model = new Vit(new((64, 64), Patch: 8, Dim: 64, Depth: 24, Heads: 2));
        if (recomputes)
            model.SetGradientCheckpointing();
        var images = Torch.Zeros([80, 3, 64, 64]);
        Torch.Collect();
        Torch.ReleaseFreedMemory();
        // The kernel's high-water mark starts again from what is resident now.
        File.WriteAllText("/proc/self/clear_refs", "5");
        var before = HighWater();
        model.Call(images).Square().Sum().Backward();
        var peak = HighWater() - before;
        model.ZeroGrad();
        foreach (var tensor in model.StateDict().Values)
            tensor.Dispose();
        return peak;
    }

    private static long HighWater() =>
        1024
        * long.Parse(
            File.ReadLines("/proc/self/status")
                .First(line => line.StartsWith("VmHWM:", StringComparison.Ordinal))[6..]
                .Split(' ', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries)[0],
            System.Globalization.CultureInfo.InvariantCulture
        );

    [Fact]
    public void A_family_whose_blocks_give_several_maps_says_so()
    {
        using var scope = new Scope();
        using var skipped = Nn.Init.Skip();
        var model = Registry.Create("revcol_tiny", new() { ImageSize = (32, 32) });
        var error = Assert.Throws<NotSupportedException>(() => model.SetGradientCheckpointing());
        Assert.Contains("RevCol does not support gradient checkpointing", error.Message, StringComparison.Ordinal);
        Assert.Contains("subnet0", error.Message, StringComparison.Ordinal);
        foreach (var tensor in model.StateDict().Values)
            tensor.Dispose();
    }

    [Fact]
    public void Every_other_model_of_the_registry_can()
    {
        using var skipped = Nn.Init.Skip();
        // A variant of each class is enough: the blocks are the same.
        foreach (
            var name in Registry
                .All.Where(v => v.Parameters is < 40 or null)
                .GroupBy(v => v.Name.Split('_')[0])
                .Select(group => group.First().Name)
                .Where(name => !name.StartsWith("revcol", StringComparison.Ordinal))
        )
        {
            var model = Registry.Create(name);
            model.SetGradientCheckpointing();
            foreach (var tensor in model.StateDict().Values)
                tensor.Dispose();
        }
    }
}
