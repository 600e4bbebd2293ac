using Tessera.Models;
using Tessera.Optim;
using Tessera.Testing;

namespace Tessera.Training.Tests;

[Collection("engine")]
public sealed class TransKdTests
{
    private const int Classes = 3;

    private static Backbone Encoder(string kind, int width) =>
        kind switch
        {
            "mit" => new Mit(
                new PvtV2.Config((64, 64), [width, 2 * width, 3 * width, 4 * width], [1, 1, 1, 1], [1, 2, 3, 4], [2, 2, 2, 2], [8, 4, 2, 1])
            ),
            "pvt" => new Pvt(
                new((64, 64), [width, 2 * width, 3 * width, 4 * width], [1, 1, 1, 1], [1, 2, 3, 4], [2, 2, 2, 2], [8, 4, 2, 1], Dense: true)
            ),
            "swin" => new Swin(new((64, 64), width, [2, 1, 1, 1], [1, 2, 4, 8], 4, Dense: true)),
            _ => new CsWin(new((64, 64), width, [1, 1, 1, 1], [1, 2, 2, 2], [2, 2, 4, 4], Dense: true)),
        };

    private static Segmenter Network(string kind, int width) => new SegFormerOptions(16).Create(Encoder(kind, width), Classes);

    private static readonly TransKdOptions small = new(Middle: 16, Reduced: 8, MixerHeads: 4);

    [Theory]
    [InlineData("mit", "cswin", TransKdKind.Base)]
    [InlineData("mit", "swin", TransKdKind.Ea)]
    [InlineData("pvt", "mit", TransKdKind.Gl)]
    [InlineData("swin", "mit", TransKdKind.Ea)]
    [InlineData("swin", "cswin", TransKdKind.Gl)]
    [InlineData("cswin", "pvt", TransKdKind.Base)]
    public void Any_pair_of_encoders_with_four_stages_learns(string student, string teacher, TransKdKind kind)
    {
        using var scope = Torch.Scope();
        Torch.Seed(1);
        var method = new TransKd(Network(student, 8), Network(teacher, 16), small with { Kind = kind });
        var images = Torch.Randn([2, 3, 64, 96]);
        var loss = method.Loss(method.Run(images), Torch.Randint(0, Classes, [2, 16, 24]));
        loss.Total.Backward();
        Near.Equal(loss.Total.Detach(), loss.Parts.Values.Aggregate((a, b) => a + b), 1e-5);
        Assert.All(method.Teacher.Parameters(), parameter => Assert.Null(parameter.Grad));
        // For one image alone there is another map to the shares; final norms of an encoder's classifier are not used.
        Assert.All(method.NamedParameters().Where(p => !p.Name.Contains(".fc1.", StringComparison.Ordinal)), p =>
            Assert.True(p.Parameter.Grad is { } gradient && gradient.Isfinite().All().ToDouble() == 1, p.Name)
        );
    }

    [Fact]
    public void The_student_alone_gives_the_same_scores_and_the_teacher_stays_as_it_was()
    {
        using var scope = Torch.Scope();
        Torch.Seed(2);
        var (student, teacher) = (Network("mit", 8), Network("mit", 16));
        var method = new TransKd(student, teacher, small with { Kind = TransKdKind.Gl });
        var before = teacher.StateDict().Select(entry => entry.Value.Clone()).ToArray();
        var optimizer = new AdamW([new ParameterGroup([.. method.NamedParameters()])], 3e-3);
        var (images, labels) = (Torch.Randn([2, 3, 64, 64]), Torch.Randint(0, Classes, [2, 16, 16]));
        double first = 0,
            last = 0;
        for (var step = 0; step < 15; step++)
        {
            using var one = Torch.Scope();
            method.Train();
            method.ZeroGrad();
            var loss = method.Loss(method.Run(images), labels);
            loss.Total.Backward();
            optimizer.Step();
            var distance = loss.Parts["feature_loss"].ToDouble() + loss.Parts["embedding_loss"].ToDouble();
            (first, last) = (step == 0 ? distance : first, distance);
        }
        Assert.True(last < 0.9 * first, $"the distance to the teacher went from {first} to {last}");
        Assert.All(teacher.StateDict().Values.Zip(before), pair => Near.Identical(pair.Second, pair.First));
        method.Eval();
        var alone = Network("mit", 8);
        alone.LoadStateDict(student.StateDict());
        alone.Eval();
        Near.Identical(method.Run(images).Logits, alone.Call(images));
        Assert.DoesNotContain(method.StateDict().Keys, name => name.StartsWith("teacher", StringComparison.Ordinal));
    }

    [Fact]
    public void One_image_takes_the_path_without_a_norm()
    {
        using var scope = Torch.Scope();
        var method = new TransKd(Network("mit", 8), Network("mit", 16), small);
        var outputs = method.Run(Torch.Randn([1, 3, 64, 64]));
        outputs.Features.Select(map => map.Sum()).Aggregate((a, b) => a + b).Backward();
        var names = method.NamedParameters().Where(p => p.Parameter.Grad is null).Select(p => p.Name).ToArray();
        Assert.Contains("skfs.1.fc.1.weight", names);
        Assert.DoesNotContain("skfs.1.fc1.0.weight", names);
    }

    [Fact]
    public void Encoders_without_four_stages_of_embeddings_and_other_strides_are_refused()
    {
        using var scope = Torch.Scope();
        var resnet = new SegFormerOptions(16).Create(new ResNet(new((64, 64), [1, 1, 1, 1], false)), Classes);
        var refusal = Assert.Throws<ArgumentException>(() => new TransKd(resnet, Network("mit", 16), small));
        Assert.Contains("ResNet has 0 stages", refusal.Message, StringComparison.Ordinal);
        Assert.Throws<ArgumentException>(() => small with { EmbeddingWeights = [1] });
        Assert.Throws<ArgumentException>(() => new TransKdOptions(EmbeddingWeights: [1, 1, 1, -1]));
        var finer = new SegFormerOptions(16).Create(
            new Mit(new PvtV2.Config((64, 64), [8, 16, 24, 32], [1, 1, 1, 1], [1, 2, 3, 4], [2, 2, 2, 2], [8, 4, 2, 1], StemStride: 2)),
            Classes
        );
        var strides = Assert.Throws<ArgumentException>(() => new TransKd(finer, Network("swin", 16), small)).Message;
        Assert.Equal(
            "the maps of the student's Mit have the strides 2, 4, 8, 16, and those of the teacher's Swin 4, 8, 16, 32: both must have the same",
            strides
        );
        var wider = new SegFormerOptions(16).Create(Encoder("mit", 8), Classes + 1);
        Assert.Contains(
            "the student over Mit has 4 classes, and the teacher over Swin 3",
            Assert.Throws<ArgumentException>(() => new TransKd(wider, Network("swin", 16), small)).Message,
            StringComparison.Ordinal
        );
        Assert.Contains(
            "mixer_heads must divide the 32 channels",
            Assert
                .Throws<ArgumentException>(() =>
                    new TransKd(Network("mit", 8), Network("mit", 16), small with { Kind = TransKdKind.Gl, MixerHeads = 5 })
                )
                .Message,
            StringComparison.Ordinal
        );
    }

    [Theory]
    [InlineData(FeatureLoss.Pyramid)]
    [InlineData(FeatureLoss.Channel)]
    [InlineData(FeatureLoss.Spatial)]
    public void A_student_that_equals_its_teacher_has_no_feature_loss(FeatureLoss kind)
    {
        using var scope = Torch.Scope();
        var (ours, theirs) = (Torch.Randn([2, 3, 5, 6]), Torch.Randn([2, 3, 5, 6]));
        Near.Values(FeatureDistillation.Of(kind, ours, ours, 2), 1e-6, 0);
        Assert.True(FeatureDistillation.Of(kind, ours, theirs, 2).ToDouble() > 0.05);
        Assert.Throws<ShapeException>(() => FeatureDistillation.Of(kind, ours, theirs.Slice(1, 1)));
    }

    [Fact]
    public void Spatial_and_channel_wise_losses_are_each_others_on_maps_turned_round()
    {
        using var scope = Torch.Scope();
        var (ours, theirs) = (Torch.Randn([2, 3, 4, 5]), Torch.Randn([2, 3, 4, 5]));
        Tensor Turned(Tensor map) => map.Flatten(2).Transpose(1, 2).Unsqueeze(-1); // [B, H W, C, 1]
        Near.Equal(FeatureDistillation.Spatial(ours, theirs, 3), FeatureDistillation.ChannelWise(Turned(ours), Turned(theirs), 3), 1e-5);
    }
}
