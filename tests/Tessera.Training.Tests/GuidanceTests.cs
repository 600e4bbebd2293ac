using Tessera.Models;

namespace Tessera.Training.Tests;

[Collection("engine")]
public sealed class GuidanceTests
{
    [Theory]
    [InlineData(GuideStatistics.Running)]
    [InlineData(GuideStatistics.Batch)]
    public void A_guide_has_no_gradient_and_its_weights_do_not_change(GuideStatistics statistics)
    {
        using var scope = Torch.Scope();
        Torch.Seed(1);
        var (student, guide) = (Small.Vit(), Small.Guide());
        var method = new LocalityGuidance(new(new(Model: "guide_resnet20"), GuideBatchNorm: statistics), student, guide);
        var before = guide.StateDict().ToDictionary(e => e.Key, e => e.Value.ToBytes());
        using var batch = Small.Source().Epoch(0).First();
        var optimizer = new AdamWOptions(1e-2).Optimizer(method);
        method.Compute(batch, new(0, 1, 0, 1)).Total.Backward();
        optimizer.Step();
        Assert.All(guide.NamedParameters(), p =>
            Assert.True(p.Parameter.Grad is null && before[p.Name].AsSpan().SequenceEqual(p.Parameter.ToBytes()))
        );
        // Running statistics move only where the batch's own are used.
        Assert.Equal(
            statistics == GuideStatistics.Running,
            before["stem.bn.running_mean"].AsSpan().SequenceEqual(guide.StateDict()["stem.bn.running_mean"].ToBytes())
        );
        Assert.DoesNotContain(method.OwnStateDict().Keys, name => name.Contains("stem", StringComparison.Ordinal));
    }

    [Fact]
    public void The_first_the_middle_and_the_last_block_are_guided_unless_others_are_named()
    {
        using var scope = Torch.Scope();
        Assert.Contains(
            "there is no block 9",
            Assert
                .Throws<ArgumentException>(() =>
                    new LocalityGuidance(new(new(Model: "guide_resnet20"), [0, 1, 9]), Small.Vit(), Small.Guide())
                )
                .Message,
            StringComparison.Ordinal
        );
        Assert.Contains(
            "must have the same length, not 2 and 3",
            Assert
                .Throws<ArgumentException>(() =>
                    new LocalityGuidance(new(new(Model: "guide_resnet20"), [0, 1]), Small.Vit(), Small.Guide())
                )
                .Message,
            StringComparison.Ordinal
        );
    }

    // Maps, tokens with and without class token, channels last, stages.
    public static TheoryData<string, int> Models =>
        new()
        {
            { "deit_tiny_patch16_224", 32 },
            { "t2t_vit_7", 32 },
            { "pvt_tiny", 64 },
            { "pvt_v2_b0", 64 },
            { "cvt_13", 64 },
            { "resnet18", 64 },
            { "cct_2_3x2_32", 32 },
            { "pit_ti_224", 64 },
            { "convit_tiny", 32 },
            { "regnety_002", 64 },
            { "efficientnet_b0", 64 },
        };

    [Theory]
    [MemberData(nameof(Models))]
    public void Models_of_all_kinds_can_be_guided_and_localised(string name, int side)
    {
        using var scope = Torch.Scope();
        if (!Registry.All.Any(variant => variant.Name == name))
            Assert.Fail($"no model {name}; there are {string.Join(", ", Registry.Find(name.Split('_')[0]).Select(v => v.Name).Take(12))}");
        var student = Registry.Create(name, new() { Classes = 3, ImageSize = (side, side) });
        var method = new WithAuxiliaryLosses(
            new LocalityGuidance(new(new(Model: "guide_resnet20")), student, Small.Guide()),
            [new RelativeLocalizationOptions(Samples: 4).Create(new(student, Device.Cpu))]
        );
        var batch = Batches.Labelled(Torch.Randn([2, 3, side, side]), Tensor.From<long>([0, 2]), [0, 1]);
        student.Train();
        var loss = method.Compute(batch, new(1, 10, 0, 1));
        Assert.True(double.IsFinite(loss.Total.ToDouble()));
        Assert.Equal(["guidance", "labels", "localization"], loss.Parts.Keys.Order());
        loss.Total.Backward();
    }

    [Fact]
    public void Localisation_without_knowledge_costs_what_theory_says()
    {
        using var scope = Torch.Scope();
        Torch.Seed(1);
        var map = Torch.Zeros([64, 4, 7, 7]);
        var network = new RelativeLocalization(4, 7, new());
        var (first, second) = RelativeLocalization.Draw(map, 256);
        Assert.Equal((0L, 6L), (first.Min().ToInt64(), first.Max().ToInt64()));
        var targets = network.Targets(map, first, second);
        // (K^2 - 1) / (3 K) for K = 7.
        Assert.Equal(48 / 21.0, network.Loss(targets.ZerosLike(), targets).ToDouble(), 0.03);
        Assert.Equal(1.35, network.Loss(targets.ZerosLike() + 2, targets).ToDouble(), 0.03);
    }

    [Fact]
    public void Maps_that_are_not_square_have_rows_and_columns_of_their_own()
    {
        using var scope = Torch.Scope();
        Torch.Seed(2);
        var map = Torch.Randn([8, 4, 3, 6]);
        var network = new RelativeLocalization(4, 6, new(Normalized: true));
        var (first, second) = RelativeLocalization.Draw(map, 64);
        Assert.Equal((2L, 5L), (first.Select(2, 0).Max().ToInt64(), first.Select(2, 1).Max().ToInt64()));
        Assert.InRange(network.Targets(map, first, second).Max().ToDouble(), 0.99, 1);
    }

    [Theory]
    [InlineData(0, 0)]
    [InlineData(10, 0.25)]
    [InlineData(20, 0.5)]
    [InlineData(160, 0.25)]
    [InlineData(300, 0)]
    public void The_weight_of_localisation_rises_and_falls(int epoch, double weight) =>
        Assert.Equal(weight, new RelativeLocalizationOptions().Create(new(Small.Swin(), Device.Cpu)).WeightAt(new(epoch, 300, 0, 1)), 9);
}
