using FsCheck;
using FsCheck.Fluent;
using Tessera.Training.Objectives.SelfSupervision;

namespace Tessera.Training.Tests.SelfSupervision;

/// <summary>Mixtures of the first view, and the losses that they add.</summary>
[Collection("engine")]
public sealed class UnMixTests : IDisposable
{
    private readonly Scope scope = new();

    public void Dispose() => scope.Dispose();

    private static Tensor Images(int count) => Torch.Randn([count, 2, 6, 7], DType.Float64);

    [Theory]
    [InlineData(1)]
    [InlineData(4)]
    [InlineData(5)]
    public void The_reversed_mixture_is_that_of_the_other_share(int count)
    {
        Torch.Seed(2);
        var images = Images(count);
        var mixed = UnMixed.Flip(UnMixed.Images(images, new(0.25)));
        Assert.Equal(UnMixed.Images(images, new(0.75)).ToArray<double>(), mixed.ToArray<double>());
    }

    [Fact]
    public void A_share_of_1_leaves_the_images_and_an_empty_box_too()
    {
        Torch.Seed(3);
        var images = Images(4);
        Assert.Equal(images.ToArray<double>(), UnMixed.Images(images, new(1)).ToArray<double>());
        // A cut of one pixel has halves of none.
        var tiny = Mix.Cut(0.98, 3, 3, 6, 7);
        Assert.Equal(1, tiny.Share);
        Assert.Equal(images.ToArray<double>(), UnMixed.Images(images, tiny).ToArray<double>());
    }

    [Fact]
    public void A_region_comes_from_the_reversed_batch_and_the_images_stay_as_they_are()
    {
        Torch.Seed(4);
        var images = Images(3);
        var before = images.ToArray<double>();
        var mixed = UnMixed.Images(images, new(0.5, new(1, 4, 2, 6)));
        Assert.Equal(before, images.ToArray<double>());
        for (var n = 0; n < 3; n++)
        for (var y = 0; y < 6; y++)
        for (var x = 0; x < 7; x++)
        {
            var inside = y is >= 1 and < 4 && x is >= 2 and < 6;
            var at = ((n * 2 * 6) + y) * 7 + x;
            Assert.Equal(before[inside ? (((2 - n) * 2 * 6) + y) * 7 + x : at], mixed.ToArray<double>()[at]);
        }
    }

    [Fact]
    public void A_drawn_share_is_that_of_the_pixels() =>
        Prop.ForAll(Gen.Choose(0, int.MaxValue - 1).ToArbitrary(), seed =>
            {
                var random = new SampleRandom((ulong)seed, 0, 0);
                var mix = new UnMixOptions(0).Draw(9, 13, ref random);
                var box = mix.Box!.Value;
                var kept = 1 - (box.Bottom - box.Top) * (box.Right - box.Left) / (9.0 * 13);
                return box is { Top: >= 0, Bottom: <= 9, Left: >= 0, Right: <= 13 } && Math.Abs(mix.Share - kept) < 1e-12;
            })
            .Check(Config.QuickThrowOnFailure);

    [Fact]
    public void The_probability_chooses_between_whole_images_and_regions()
    {
        var random = new SampleRandom(1, 0, 0);
        int Whole(double probability)
        {
            var options = new UnMixOptions(probability);
            var count = 0;
            for (var i = 0; i < 400; i++)
                count += options.Draw(32, 32, ref random).Box is null ? 1 : 0;
            return count;
        }
        Assert.Equal(400, Whole(1));
        Assert.Equal(0, Whole(0));
        Assert.InRange(Whole(0.25), 60, 140);
    }

    [Theory]
    [InlineData(0, null, new[] { 0, 1, 2, 3 })]
    [InlineData(2, null, new[] { 2, 3 })]
    [InlineData(1, 3, new[] { 1, 2 })]
    public void Mixing_goes_on_between_its_epochs(int from, int? until, int[] expected)
    {
        var mixing = new UnMix(new(From: from, Until: until), null);
        Assert.Equal(expected, Enumerable.Range(0, 4).Where(epoch => mixing.Of(Images(2), new(epoch, 4, epoch, 1)) is not null));
    }

    [Fact]
    public void An_end_before_the_beginning_is_refused() =>
        Assert.Contains(
            "until is 2",
            Assert.Throws<ArgumentException>(() => new UnMixOptions(From: 3, Until: 2)).Message,
            StringComparison.Ordinal
        );

    [Fact]
    public void Mixtures_come_from_the_engines_generator()
    {
        var images = Images(4);
        double[] Shares(ulong seed)
        {
            Torch.Seed(seed);
            var mixing = new UnMix(new(), null);
            return [.. Enumerable.Range(0, 4).Select(step => mixing.Of(images, new(0, 1, step, 4))!.Share)];
        }
        Assert.Equal(Shares(1), Shares(1));
        Assert.NotEqual(Shares(1), Shares(2));
    }

    [Fact]
    public void A_share_of_1_adds_the_loss_of_the_second_view_with_the_first_itself()
    {
        Torch.Seed(5);
        var (first, second) = (Torch.Randn([6, 8], DType.Float64), Torch.Randn([6, 8], DType.Float64));
        var pair = NtXent.Of(first, second, 0.5).Mean;
        var back = NtXent.Of(second, first, 0.5).Mean;
        var total = new UnMixed(pair, back, NtXent.Of(second, UnMixed.Flip(first), 0.5).Mean, 1).Total;
        Assert.Equal(2 * pair.ToDouble(), total.ToDouble(), 1e-12);
    }

    private static SelfSupervised Method(string name, UnMixOptions? unmix)
    {
        var student = Small.ResNet();
        var context = new ObjectiveContext(student, Device.Cpu) { Another = () => Small.ResNet(), StepSamples = Small.BatchSize };
        return name switch
        {
            "simclr" => new SimClr(new(0.5, SimClrForm.Htdt, Hidden: 16, Dim: 8, Unmix: unmix), context),
            "byol" => new Byol(new(ByolForm.Htdt, 16, 8, Unmix: unmix), context),
            "moco" => new Moco(new(36, 0.9, 0.2, 8, Unmix: unmix), context),
            "moco_symmetric" => new Moco(new(36, 0.9, 0.2, 8, Symmetric: true, BnSplits: 2, Unmix: unmix), context),
            _ => new WMse(new(4, Hidden: 16, Unmix: unmix), context),
        };
    }

    public static TheoryData<string> Bases => ["simclr", "byol", "moco", "moco_symmetric", "w_mse"];

    // With queries of which nothing is known, each of the losses is that of guessing.
    [Theory]
    [InlineData("moco", 2)]
    [InlineData("moco_symmetric", 4)]
    public void The_remark_on_the_first_loss_counts_the_mixtures(string name, int terms) =>
        Assert.Contains($"a guess has the loss {terms} ln(1 + 36)", Method(name, new()).TakeRemarks()[0], StringComparison.Ordinal);

    [Theory]
    [MemberData(nameof(Bases))]
    public void Batches_that_are_mixed_pass_as_a_whole(string name) => Assert.False(Method(name, new()).MeanOverSamples);

    [Theory]
    [MemberData(nameof(Bases))]
    public void A_step_outside_of_its_epochs_is_that_of_the_base(string name)
    {
        var batch = Small.Pairs().Epoch(0).First();
        IReadOnlyDictionary<string, Tensor> Parts(UnMixOptions? unmix)
        {
            Torch.Seed(8);
            var method = Method(name, unmix);
            Torch.Seed(9);
            return method.Compute(batch, new(0, 2, 0, 1)).Parts;
        }
        Assert.Contains("original", Parts(new()).Keys);
        Assert.DoesNotContain("original", Parts(null).Keys);
        Assert.DoesNotContain("original", Parts(new(From: 1)).Keys);
    }

    [Theory]
    [MemberData(nameof(Bases))]
    public void The_log_has_the_losses_and_their_sum_is_what_is_trained(string name)
    {
        Torch.Seed(6);
        var method = Method(name, new());
        var loss = method.Compute(Small.Pairs().Epoch(0).First(), new(0, 1, 0, 1));
        var (original, mixed, flipped, share) = (Part("original"), Part("mixed"), Part("flipped"), Part("mixture_share"));
        Assert.InRange(share, 0, 1);
        Assert.Equal(original + share * mixed + (1 - share) * flipped, loss.Total.ToDouble(), 1e-5);
        double Part(string name) => loss.Parts[name].ToDouble();
    }
}
