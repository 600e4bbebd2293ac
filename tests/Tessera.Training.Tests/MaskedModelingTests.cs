using Tessera.Models;
using Tessera.Testing;

namespace Tessera.Training.Tests;

[Collection("engine")]
public sealed class MaskedModelingTests
{
    [Fact]
    public void Patches_joined_are_the_images_that_were_cut()
    {
        using var scope = Torch.Scope();
        var images = Torch.Randn([2, 3, 8, 12]);
        var patches = Patches.Cut(images, 4);
        Assert.Equal(new Shape(2, 6, 48), patches.Shape);
        Near.Equal(images, Patches.Join(patches, 4, (2, 3)), 0);
        // The second patch begins with the three channels of its upper left pixel.
        Near.Equal(images[0].Slice(1, 0, 1).Slice(2, 4, 5).Flatten(), patches[0][1].Slice(0, 0, 3), 0);
    }

    [Fact]
    public void What_is_seen_is_rounded_down_and_something_has_to_be_hidden()
    {
        using var scope = Torch.Scope();
        Torch.Seed(1);
        var (kept, restore, mask) = Patches.Hide(Torch.Rand([2, 100]), 0.9);
        Assert.Equal(9, kept.Size(1));
        Assert.Equal(182, mask.Sum().ToDouble());
        // What is kept is not masked, and stands at its place in the shuffled order.
        Assert.Equal(0, mask.Gather(1, kept).Sum().ToDouble());
        Near.Equal(Torch.Arange(9).Expand([2, -1]), restore.Gather(1, kept), 0);
        Assert.Contains(
            "some must be visible, and some hidden",
            Assert.Throws<ArgumentException>(() => Patches.Hide(Torch.Rand([1, 16]), 0)).Message,
            StringComparison.Ordinal
        );
    }

    [Fact]
    public void A_student_that_is_its_teacher_has_no_loss()
    {
        using var scope = Torch.Scope();
        Torch.Seed(2);
        var (student, teacher) = (Small.Vit(), Small.Vit());
        var method = new RelationDistillation(new(new(Model: "vit_tiny_patch16_224"), Jitter: 0), student, teacher);
        teacher.LoadStateDict(student.StateDict());
        student.Eval();
        using var batch = Small.Source().Epoch(0).First();
        Assert.Equal(0, method.Compute(batch, new(0, 1, 0, 1)).Total.ToDouble(), 6);
    }

    [Fact]
    public void Heads_that_do_not_fit_are_refused() =>
        Assert.Contains(
            "the same number",
            Assert
                .Throws<ArgumentException>(() =>
                    new RelationDistillation(new(new(Model: "vit_tiny_patch16_224"), TargetHeads: 6), Small.Vit(), Small.Vit(48))
                )
                .Message,
            StringComparison.Ordinal
        );

    [Theory]
    [InlineData(DistillationTarget.Relations)]
    [InlineData(DistillationTarget.Features)]
    [InlineData(DistillationTarget.ClassToken)]
    public void Other_targets_and_hidden_patches_leave_a_gradient_in_all_that_is_computed(DistillationTarget target)
    {
        using var scope = Torch.Scope();
        Torch.Seed(3);
        var student = Small.Vit();
        var method = new RelationDistillation(
            new(new(Model: "vit_tiny_patch16_224"), Target: target, MaskRatio: 0.75),
            student,
            Small.Vit(48)
        );
        using var batch = Small.Source().Epoch(0).First();
        var loss = method.Compute(batch, new(0, 1, 0, 1));
        Assert.True(loss.Total.ToDouble() > 0);
        loss.Total.Backward();
        string[] without = [.. student.NamedParameters().Where(p => p.Parameter is { RequiresGrad: true, Grad: null }).Select(p => p.Name)];
        // What lies behind the queries, keys and values, behind the last block, or behind the class token.
        string[] expected = target switch
        {
            DistillationTarget.Relations =>
            [
                "blocks.2.attn.proj",
                "blocks.2.norm2",
                "blocks.2.mlp.fc1",
                "blocks.2.mlp.fc2",
                "norm",
                "head",
            ],
            DistillationTarget.Features => ["norm", "head"],
            _ => ["head"],
        };
        Assert.Equal(expected, without.Select(name => name[..name.LastIndexOf('.')]).Distinct());
        Assert.Equal(target != DistillationTarget.Relations, method.OwnStateDict().ContainsKey("adapter.weight"));
    }

    [Theory]
    [InlineData("relations", "")]
    [InlineData("features", "target_block: 2, mask_ratio: 0.75")]
    [InlineData("class_token", "")]
    [InlineData("class_token", "target_block: 2", "the class token is that behind the last norm")]
    [InlineData("features", "relations: [qk]", "relations belong to target: relations")]
    public void Targets_are_chosen_by_the_recipe(string target, string more, string? problem = null)
    {
        var yaml =
            $"model: {{ name: vit_micro_patch4_32 }}\ndata: {{ name: cifar10 }}\naugment: []\noptimizer: adamw\n"
            + "schedule: { name: constant, epochs: 1 }\n"
            + $"objective: {{ name: relation_distillation, teacher: {{ model: vit_mini_patch4_32 }}, target: {target}, {more} }}";
        if (problem is not null)
            Assert.Contains(problem, Assert.Throws<RecipeException>(() => Recipe.Parse(yaml, "r.yaml")).Message, StringComparison.Ordinal);
        else
            Assert.Equal(Recipe.Parse(yaml, "r.yaml").ToYaml(), Recipe.Parse(Recipe.Parse(yaml, "r.yaml").ToYaml(), "again.yaml").ToYaml());
    }

    [Fact]
    public void The_number_of_last_heads_changes_no_shape() =>
        Assert.Equal(
            Small.Vit().StateDict().Select(e => (e.Key, e.Value.Shape)),
            Small.Vit(lastHeads: 6).StateDict().Select(e => (e.Key, e.Value.Shape))
        );

    [Fact]
    public void The_encoder_of_an_autoencoder_loads_into_a_classifier_that_pools_patches()
    {
        using var scope = Torch.Scope();
        var encoder = Small.Vit();
        var state = encoder.StateDict();
        state.Add("mask_token", Torch.Zeros([1, 1, 8]));
        state.Add("decoder_embed.weight", Torch.Zeros([8, 24]));
        var classifier = new Vit(encoder.Options with { Pool = "avg", Classes = 5 });
        var report = classifier.Load(state, new() { ReplaceHead = true });
        Assert.Equal(["head.weight", "head.bias"], report.ReplacedHead);
        Near.Equal(encoder.Transformer[1].Qkv.Weight, classifier.Transformer[1].Qkv.Weight, 0);
    }

    [Fact]
    public void Positions_are_fixed_and_decoders_refuse_other_models()
    {
        using var scope = Torch.Scope();
        var student = Small.Vit();
        var method = new MaskedAutoencoder(new(Dim: 16, Depth: 1, Heads: 2), student);
        Assert.False(student.Positions.RequiresGrad);
        Assert.DoesNotContain(new AdamWOptions().Optimizer(method).Groups.SelectMany(g => g.Parameters), p =>
            p.Name.EndsWith("pos_embed", StringComparison.Ordinal)
        );
        Assert.Equal(0, student.Positions[0][0].Abs().Max().ToDouble());
        Assert.Throws<ArgumentException>(() => new MaskedAutoencoder(new(Dim: 16, Depth: 1, Heads: 2), Small.Swin()));
    }
}
