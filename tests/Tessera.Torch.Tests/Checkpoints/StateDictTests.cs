using Tessera.Checkpoints;
using static Tessera.Tests.Checkpoints.CheckpointFiles;

namespace Tessera.Tests.Checkpoints;

public class StateDictTests
{
    static readonly byte[] weight = Tensor(Int(0), Int(4), Int(1));

    [Theory]
    [InlineData("state_dict,model", "state_dict")]
    [InlineData("model,state_dict_ema", "model")]
    [InlineData("teacher", "teacher")]
    [InlineData("anything", "anything")]
    [InlineData("network,student", "student")]
    [InlineData("module", "module")]
    public void Places_are_tried_in_order(string keys, string expected)
    {
        using var checkpoint = Open(Dictionary([.. keys.Split(',').Select(key => (key, Dictionary((key + ".w", weight))))]));
        Assert.Equal([Stripped(expected + ".w")], checkpoint.StateDict().Keys);
    }

    [Theory]
    [InlineData("model_state_dict")]
    [InlineData("net")]
    [InlineData("weights")]
    [InlineData("params")]
    [InlineData("params_ema")]
    [InlineData("ema")]
    [InlineData("ema_state_dict")]
    [InlineData("model_ema")]
    [InlineData("student")]
    [InlineData("checkpoint.state_dict")]
    [InlineData("model.state_dict")]
    public void Weights_under_any_of_the_usual_keys_are_found(string key)
    {
        var inner = key.Split('.').Reverse().Aggregate(Dictionary(("w", weight)), (value, part) => Dictionary((part, value)));
        using var checkpoint = Open(inner);
        var found = checkpoint.FindStateDict();
        Assert.Equal(["w"], found.Tensors.Keys);
        Assert.Equal(key, found.Key);
        Assert.Equal(["w"], checkpoint.StateDict(new() { Key = key }).Keys);
        // A moving average that nobody asked for is said.
        Assert.Equal(key.Contains("ema", StringComparison.Ordinal) ? 1 : 0, found.Notes.Count);
    }

    [Theory]
    [InlineData("teacher,student")]
    [InlineData("generator,discriminator")]
    [InlineData("ema,model_ema")]
    public void Several_sets_of_weights_without_an_order_are_refused_by_their_names(string keys)
    {
        using var checkpoint = Open(Dictionary([.. keys.Split(',').Select(key => (key, Dictionary(("w", weight))))]));
        var error = Assert.Throws<CheckpointException>(() => checkpoint.StateDict());
        Assert.All(keys.Split(','), key => Assert.Contains($"'{key}'", error.Message, StringComparison.Ordinal));
        Assert.Equal(["w"], checkpoint.StateDict(new() { Key = keys.Split(',')[1] }).Keys);
    }

    [Fact]
    public void The_choice_among_several_is_said()
    {
        using var checkpoint = Open(
            Dictionary(("state_dict_ema", Dictionary(("e", weight))), ("epoch", Int(3)), ("state_dict", Dictionary(("s", weight))))
        );
        var found = checkpoint.FindStateDict();
        Assert.Equal(["s"], found.Tensors.Keys);
        var note = Assert.Single(found.Notes);
        Assert.Contains("'state_dict' was taken, not 'state_dict_ema'", note, StringComparison.Ordinal);
        Assert.Empty(checkpoint.FindStateDict(new() { PreferEma = true }).Notes);
    }

    [Fact]
    public void A_moving_average_that_is_not_there_is_an_error()
    {
        using var checkpoint = Open(Dictionary(("model", Dictionary(("w", weight)))));
        var error = Assert.Throws<CheckpointException>(() => checkpoint.StateDict(new() { PreferEma = true }));
        Assert.Contains("no moving average", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void The_counter_of_an_averaged_model_is_no_weight()
    {
        using var checkpoint = Open(Dictionary(("model_ema", Dictionary(("n_averaged", weight), ("module.w", weight)))));
        Assert.Equal(["w"], checkpoint.StateDict().Keys);
    }

    [Fact]
    public void A_tensor_beside_a_dictionary_of_more_is_not_the_weights()
    {
        using var checkpoint = Open(Dictionary(("rng", weight), ("mine", Dictionary(("a", weight), ("b", weight)))));
        Assert.Equal(["a", "b"], checkpoint.StateDict().Keys);
    }

    [Fact]
    public void A_prefix_that_no_name_has_is_an_error_that_lists_those_there_are()
    {
        using var checkpoint = Open(Dictionary(("model.a", weight), ("model.b", weight), ("head.c", weight)));
        var error = Assert.Throws<CheckpointException>(() => checkpoint.StateDict(new() { Only = "net." }));
        Assert.Contains("model. (2), head. (1)", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(0, true)]
    [InlineData(1, true)]
    [InlineData(2, false)]
    public void Counters_of_batch_norms_are_added_as_the_version_of_the_module_says(int version, bool added)
    {
        var names = Dictionary(("n.running_mean", weight), ("n.running_var", weight));
        // What PyTorch attaches to its dictionaries; version 0 stands for none.
        var metadata = Bytes("}", Text("_metadata"), Dictionary(("n", Dictionary(("version", Int(version))))), "s");
        using var checkpoint = Open(version == 0 ? names : Bytes(names, metadata, "b"));
        var state = checkpoint.StateDict();
        Assert.Equal(added, state.ContainsKey("n.num_batches_tracked"));
        if (added)
            Assert.Equal([0L], state["n.num_batches_tracked"].ToArray<long>());
    }

    [Theory]
    [InlineData("model_ema")]
    [InlineData("state_dict_ema")]
    public void The_moving_average_is_taken_when_asked_for(string key)
    {
        using var checkpoint = Open(Dictionary(("model", Dictionary(("w", weight))), (key, Dictionary(("average", weight)))));
        Assert.Equal(["w"], checkpoint.StateDict().Keys);
        Assert.Equal(["average"], checkpoint.StateDict(new() { PreferEma = true }).Keys);
    }

    [Fact]
    public void The_top_level_serves_when_it_holds_tensors()
    {
        using var checkpoint = Open(Dictionary(("b", weight), ("a", weight), ("epoch", Int(3))));
        Assert.Equal(["b", "a"], checkpoint.StateDict().Keys);
    }

    [Fact]
    public void Wrappers_and_asked_prefixes_are_stripped()
    {
        using var checkpoint = Open(Dictionary(("module._orig_mod.backbone.a", weight), ("module.head.b", weight), ("c.module.d", weight)));
        Assert.Equal(["backbone.a", "head.b", "c.module.d"], checkpoint.StateDict().Keys);
        Assert.Equal(["a", "head.b", "c.module.d"], checkpoint.StateDict(new() { Strip = ["backbone."] }).Keys);
        Assert.Equal(
            ["backbone.a", "c.module.d"],
            checkpoint.StateDict(new() { Drop = name => name.StartsWith("head.", StringComparison.Ordinal) }).Keys
        );
    }

    [Theory]
    [InlineData("encoder_q.")]
    [InlineData("module.encoder_q.")]
    public void One_of_several_networks_can_be_selected(string only)
    {
        using var checkpoint = Open(
            Dictionary(("state_dict", Dictionary(("module.encoder_q.w", weight), ("module.encoder_k.w", weight), ("module.queue", weight))))
        );
        Assert.Equal(["w"], checkpoint.StateDict(new() { Only = only }).Keys);
    }

    [Fact]
    public void A_key_can_be_given()
    {
        using var checkpoint = Open(Dictionary(("teacher", Dictionary(("t", weight))), ("student", Dictionary(("s", weight)))));
        Assert.Equal(["s"], checkpoint.StateDict(new() { Key = "student" }).Keys);
        var error = Assert.Throws<CheckpointException>(() => checkpoint.StateDict(new() { Key = "queue" }));
        Assert.Contains("teacher (dictionary of 1)", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Names_that_become_equal_are_an_error()
    {
        using var checkpoint = Open(Dictionary(("module.a", weight), ("a", weight)));
        var error = Assert.Throws<CheckpointException>(() => checkpoint.StateDict());
        Assert.Contains("module.a and a both become a", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Unknown_objects_beside_the_weights_do_not_matter()
    {
        using var checkpoint = Open(
            Dictionary(
                ("cfg", Bytes("cmmcv.utils.config\nConfigDict\n)", 0x81, "}(", Text("a"), "K", 1, "ub(K", 1, "K", 2, "u(K", 3, "e")),
                ("model", Dictionary(("w", weight), ("_extra", Bytes("ca.b\nState\n)R"))))
            )
        );
        Assert.Equal(["w"], checkpoint.StateDict().Keys);
        var config = (OpaqueRecord)((CheckpointDictionary)checkpoint.Root!)["cfg"]!;
        Assert.Equal("mmcv.utils.config.ConfigDict", config.TypeName);
        Assert.True(config.TryGetField("a", out var field));
        Assert.Equal(1L, field);
        Assert.Equal([1L, 2L, 3L], config.Contents);
    }

    [Fact]
    public void Tensors_inside_an_unknown_object_are_refused_by_its_name()
    {
        using var inside = Open(
            Dictionary(("model", Dictionary(("w", weight), ("v", Bytes("ctorch._utils\n_rebuild_qtensor\n", weight, 0x85, "R")))))
        );
        var state = inside.StateDict();
        Assert.Equal(4, state["w"].Count);
        var refusal = Assert.Throws<ForbiddenPickleException>(() => state["v"].ToContiguousBytes());
        Assert.Equal("torch._utils._rebuild_qtensor", refusal.GlobalName);
        Assert.Contains("tensor v ", refusal.Message, StringComparison.Ordinal);

        using var around = Open(Dictionary(("model", Bytes("cfairseq\nDict\n)R", Text("w"), weight, "s"))));
        Assert.Equal("fairseq.Dict", Assert.Throws<ForbiddenPickleException>(() => around.StateDict()).GlobalName);
    }

    [Fact]
    public void A_module_in_the_place_of_its_weights_is_refused_with_an_explanation()
    {
        using var checkpoint = Open(
            Dictionary(("model", Bytes("cmodels\nNet\n)", 0x81, "}(", Text("_parameters"), "}", Text("_modules"), "}ub")))
        );
        var error = Assert.Throws<UnsupportedCheckpointException>(() => checkpoint.StateDict());
        Assert.Contains("models.Net", error.Message, StringComparison.Ordinal);
        Assert.Contains("state_dict()", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Parameters_tied_views_and_old_rebuilders_are_read()
    {
        using var checkpoint = Open(
            Dictionary(
                ("a", Bytes("ctorch._utils\n_rebuild_parameter\n", weight, 0x88, ")", 0x87, "R")),
                ("b", Bytes("ctorch._utils\n_rebuild_tensor\n(", Storage(), Int(1), "(K", 3, "t(K", 1, "ttR")),
                (
                    "c",
                    Bytes(
                        "ctorch._utils\n_rebuild_tensor_v3\n(",
                        Storage(type: "FloatStorage"),
                        Int(0),
                        "(K",
                        2,
                        "t(K",
                        1,
                        "t",
                        0x89,
                        "}ctorch\nint32\ntR"
                    )
                )
            )
        );
        var weights = checkpoint.StateDict();
        Assert.Same(weights["a"].Storage, weights["b"].Storage);
        Assert.Equal(1, weights["b"].StorageOffset);
        Assert.Equal(DType.Int32, weights["c"].DType);
    }

    [Fact]
    public void A_window_of_a_storage_in_the_old_format_shares_it()
    {
        var window = Bytes(
            "(",
            Text("storage"),
            "ctorch\nFloatStorage\n",
            Text("0"),
            Text("cpu"),
            Int(4),
            "(",
            Text("1"),
            Int(2),
            Int(2),
            "ttQ"
        );
        var file = Bytes(
            HostilePickles.Legacy(Dictionary(("a", weight), ("b", Tensor(Int(0), Int(2), Int(1), window))), Bytes("]", Text("0"), "a")),
            BitConverter.GetBytes(4L),
            BitConverter.GetBytes(1f),
            BitConverter.GetBytes(2f),
            BitConverter.GetBytes(3f),
            BitConverter.GetBytes(4f)
        );
        using var checkpoint = Checkpoint.Read(file);
        var weights = checkpoint.StateDict();
        Assert.Equal([3f, 4f], weights["b"].ToArray<float>());
        Assert.Same(weights["a"].Storage, weights["b"].Storage);
    }

    static string Stripped(string name) => name.StartsWith("module.", StringComparison.Ordinal) ? name[7..] : name;

    static Checkpoint Open(byte[] root) => Checkpoint.Read(Torch(Pickle(root)));

    static byte[] Dictionary(params (string Key, byte[] Value)[] items) =>
        Bytes("ccollections\nOrderedDict\n)R(", Bytes([.. items.SelectMany(i => new object[] { Text(i.Key), i.Value })]), "u");
}
