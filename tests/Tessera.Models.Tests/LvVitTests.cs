using Tessera.Models;
using Tessera.Models.Layers;
using Tessera.Testing;

namespace Tessera.Tests.Models;

public class LvVitTests : LiveTensors
{
    private static LvVit Small(double divisor = 2) => new(new LvVit.Config((32, 48), 8, 24, 2, 3, divisor, Filters: 8, Classes: 5));

    [Fact]
    public void Dense_logits_belong_to_their_images_although_all_tokens_were_exchanged()
    {
        using var scope = Torch.Scope();
        Torch.Seed(1);
        var model = Small();
        var images = Torch.Randn([3, 3, 32, 48]);
        var plain = model.Run(new(images));
        var mixed = model.Run(new(images) { MixBox = new(0, 0, 4, 6) });
        Near.Equal(plain.Named[LvVit.Dense], mixed.Named[LvVit.Dense], 1e-5);
        Near.Equal(plain.Logits.Flip(0), mixed.Logits, 1e-5);
    }

    [Fact]
    public void An_exchange_undoes_itself_and_touches_the_box_alone()
    {
        using var scope = Torch.Scope();
        Torch.Seed(2);
        var tokens = Torch.Randn([5, 12, 2]);
        var box = new TokenBox(1, 1, 3, 3);
        var mixed = MixToken.Exchange(tokens, box, (3, 4));
        Near.Identical(tokens, MixToken.Exchange(mixed, box, (3, 4)));
        var changed = mixed.Ne(tokens).Any(2)[0].ToArray<bool>();
        Assert.Equal([5, 6, 9, 10], Enumerable.Range(0, 12).Where(i => changed[i]));
        Assert.Equal(1 - 4 / 12.0, MixToken.Kept(box, 12));
        Assert.Throws<ShapeException>(() => MixToken.Exchange(tokens, new(0, 0, 4, 4), (3, 4)));
    }

    [Fact]
    public void Drawn_boxes_stay_inside_of_the_grid_and_repeat_with_the_seed()
    {
        using var random = new Generator(7);
        var boxes = Enumerable.Range(0, 200).Select(_ => MixToken.Draw(7, 5, random)).ToArray();
        Assert.All(boxes, box =>
            Assert.True(
                box is { Top: >= 0, Left: >= 0, Bottom: <= 7, Right: <= 5 } && box.Top <= box.Bottom && box.Left <= box.Right,
                box.ToString()
            )
        );
        Assert.Contains(boxes, box => MixToken.Kept(box, 35) < 0.6);
        using var again = new Generator(7);
        Assert.Equal(boxes, Enumerable.Range(0, 200).Select(_ => MixToken.Draw(7, 5, again)));
    }

    [Fact]
    public void It_answers_what_every_model_answers()
    {
        using var scope = Torch.Scope();
        var model = Small();
        model.Eval();
        var images = Torch.Randn([2, 3, 32, 48]);
        Near.Equal(Torch.Ones([2, 3, 25]), model.AttentionMaps(images)["blocks.1.attn.attention"].Sum(-1), 1e-5);
        Assert.Equal(
            (new Shape(2, 24, 4, 6), 8),
            (model.ForwardFeatureMaps(images)[0].Map.Shape, model.ForwardFeatureMaps(images)[0].Stride)
        );
        Assert.Equal([new Shape(2, 24, 24)], model.ForwardIntermediates(images, prefixTokens: false, -1).Select(block => block.Shape));
        model.ResetClassifier(7);
        model.Resize(64, 32);
        Assert.Equal(new Shape(2, 7), model.Call(Torch.Randn([2, 3, 64, 32])).Shape);
        Assert.Contains("Resize", Assert.Throws<ShapeException>(() => model.Call(images)).Message, StringComparison.Ordinal);
        Assert.Throws<ShapeException>(() => model.Resize(60, 32));
    }

    [Fact]
    public void Blocks_can_be_halves()
    {
        using var scope = Torch.Scope();
        var model = new LvVit(new LvVit.Config((16, 16), 8, 16, 0, 2, 2, Filters: 0, Classes: 3, Order: ["mha", "ffn", "tr"]));
        Assert.DoesNotContain(model.StateDict().Keys, name =>
            name.StartsWith("blocks.0.mlp", StringComparison.Ordinal) || name.StartsWith("blocks.1.attn", StringComparison.Ordinal)
        );
        Assert.Equal(new Shape(1, 3), model.Call(Torch.Randn([1, 3, 16, 16])).Shape);
        Assert.Throws<ArgumentException>(() => new LvVit(new LvVit.Config((16, 16), 8, 16, 0, 2, 2, Order: ["conv"])));
    }
}
