using Tessera.Models;
using Tessera.Nn;
using Tessera.Optim;
using Tessera.Testing;

namespace Tessera.Tests.Models;

public class SretTests : LiveTensors
{
    private static Sret Small(int loops = 2, bool sliced = true, (int, int)? permutation = null) =>
        new(
            new Sret.Config(
                (64, 64),
                [8, 8, 8],
                [loops, 2 * loops, loops],
                [1, 2, 1],
                [2, 4, 8],
                sliced ? [8, 4, 1] : null,
                sliced ? [2, 1, 1] : null,
                2,
                Classes: 5,
                Permutation: permutation
            )
        );

    [Fact]
    public void A_shared_block_is_one_parameter_under_every_position()
    {
        using var scope = Torch.Scope();
        var model = Small();
        var state = model.StateDict();
        Assert.Same(state["transformers.0.blocks.0.attn.qkv.weight"], state["transformers.0.blocks.2.attn.qkv.weight"]);
        Assert.NotSame(state["transformers.0.blocks.1.mlp.fc1.weight"], state["transformers.0.blocks.3.mlp.fc1.weight"]);
        Assert.Single(model.Parameters(), p => ReferenceEquals(p, state["transformers.0.blocks.0.attn.qkv.weight"]));
    }

    [Fact]
    public void Files_that_hold_each_tensor_once_load_too()
    {
        using var scope = Torch.Scope();
        var (from, to) = (Small(), Small());
        var once = new OrderedDictionary<string, Tensor>(from.StateDict().DistinctBy(e => e.Value, ReferenceEqualityComparer.Instance));
        Assert.True(once.Count < from.StateDict().Count);
        to.Load(once);
        Near.Identical(
            from.StateDict()["transformers.1.blocks.6.mlp.fc1.weight"],
            to.StateDict()["transformers.1.blocks.6.mlp.fc1.weight"]
        );
    }

    [Fact]
    public void More_loops_add_nothing_but_the_layers_between()
    {
        using var skipped = Init.Skip();
        static long Between(Sret model) =>
            model.BlockPaths.Select(path => model.NamedModules().First(m => m.Name == path).Module.ParameterCount).Sum();
        var (two, five) = (Small(2), Small(5));
        Assert.Equal(two.ParameterCount - Between(two), five.ParameterCount - Between(five));
        Assert.Equal(Between(two) * 5, Between(five) * 2);
    }

    [Fact]
    public void Permutations_repeat_when_they_are_given()
    {
        using var scope = Torch.Scope();
        Torch.Seed(1);
        var (free, bound) = (Small(), Small(permutation: (5, 3)));
        bound.LoadStateDict(free.StateDict());
        free.Eval();
        bound.Eval();
        var images = Torch.Randn([2, 3, 64, 64]);
        Assert.False(free.Call(images).Equal(free.Call(images)));
        var order = (Torch.Arange(64) * 5 + 3).Remainder(64);
        var draws = new Dictionary<string, Tensor> { [Sret.Permutation(0, 1)] = order };
        Near.Identical(bound.Call(images), free.Run(new(images) { Draws = draws }).Logits);
        Near.Identical(bound.Call(images), bound.Call(images));
    }

    [Fact]
    public void Attention_maps_cover_all_tokens_in_their_own_order()
    {
        using var scope = Torch.Scope();
        Torch.Seed(2);
        var model = Small();
        model.Eval();
        var maps = model.AttentionMaps(Torch.Randn([1, 3, 64, 64]));
        var (ordinary, repeated) = (maps["transformers.0.blocks.0.attn.attention"], maps["transformers.0.blocks.0.attn.attention#1"]);
        Near.Equal(Torch.Ones([1, 2, 64]), ordinary.Sum(-1), 1e-5);
        Near.Equal(Torch.Ones([1, 2, 64]), repeated.Sum(-1), 1e-5);
        // Eight slices of eight tokens; two permuted slices of 32.
        Assert.Equal(8 * 64, ordinary[0, 0].Gt(0).Sum().ToInt64());
        Assert.Equal(32 * 64, repeated[0, 0].Gt(0).Sum().ToInt64());
        Assert.True(ordinary[0, 0, 0, 7].ToDouble() > 0 && ordinary[0, 0, 0, 8].ToDouble() == 0);
    }

    [Fact]
    public void It_answers_what_every_model_answers()
    {
        using var scope = Torch.Scope();
        var model = Small();
        model.Eval();
        var images = Torch.Randn([2, 3, 64, 64]);
        Assert.Equal(
            [(new Shape(2, 16, 8, 8), 8), (new Shape(2, 32, 4, 4), 16), (new Shape(2, 64, 2, 2), 32)],
            model.ForwardFeatureMaps(images).Select(map => (map.Map.Shape, map.Stride))
        );
        Assert.Equal(8, model.ForwardIntermediates(images).Count);
        model.ResetClassifier(3);
        model.Resize(64, 128);
        Assert.Equal(new Shape(1, 3), model.Call(Torch.Randn([1, 3, 64, 128])).Shape);
        Assert.Throws<ShapeException>(() => model.Resize(48, 64));
        var refusal = Assert.Throws<ShapeException>(() => new Sret(model.Options with { Groups = [8, 3, 1] }));
        Assert.Contains("3 slices", refusal.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Slicing_saves_a_tenth_to_a_third_of_the_operations()
    {
        Assert.InRange(1 - Operations.Macs("sret_t") / Operations.Macs("sret_t_unsliced"), 0.1, 0.3);
    }

    [Fact]
    public void A_hundred_passes_learn()
    {
        using var scope = Torch.Scope();
        Torch.Seed(4);
        var model = new Sret(new Sret.Config((32, 32), [4, 4, 4], [20, 50, 30], [2, 5, 3], [2, 4, 8], [4, 2, 1], [2, 1, 1], 2, Classes: 4));
        var optimizer = new AdamW([new ParameterGroup([.. model.NamedParameters()])], 2e-3);
        var (images, labels) = (Torch.Randn([8, 3, 32, 32]), Tensor.From<long>([0, 1, 2, 3, 0, 1, 2, 3]));
        var losses = Enumerable
            .Range(0, 6)
            .Select(_ =>
            {
                using var step = Torch.Scope();
                model.ZeroGrad();
                var loss = model.Run(new(images)).Logits.CrossEntropyLoss(labels);
                loss.Backward();
                optimizer.Step();
                return loss.ToDouble();
            })
            .ToArray();
        model.ZeroGrad();
        Assert.True(losses[^1] < losses[0] * 0.9, string.Join(' ', losses));
    }

    [Fact]
    public void The_model_of_a_hundred_passes_has_fourteen_million_parameters()
    {
        using var skipped = Init.Skip();
        Assert.InRange(Registry.Create("sret_100").ParameterCount, 13e6, 15e6);
    }
}
