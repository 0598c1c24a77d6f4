namespace PluginServer.Supervision;

/// <summary>Something that is wrong with the host now, for a person who has to do something about it.</summary>
/// <param name="Kind">One word for programs, of <see cref="Problems"/>.</param>
/// <param name="Endpoint">The endpoint that it is about, if it is about one.</param>
/// <param name="Plugin">The plugin that it is about, if it is about one.</param>
/// <param name="Text">What is wrong with it, and what follows from that.</param>
internal sealed record Problem(string Kind, string? Endpoint, string? Plugin, string Text);
